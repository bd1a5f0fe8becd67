"""A small project whose tests use ChannelLiveServerTestCase; ``test_liveserver.py`` runs them."""
