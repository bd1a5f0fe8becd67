"""Plays the same conversations on Channels 1.1.8 and on channels_workers."""
