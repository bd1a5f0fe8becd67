"""Plays the same conversations against Channels 1.1.8 and against channels_workers."""
