"""Shows differences between channels_workers and Channels 1.1.8."""
