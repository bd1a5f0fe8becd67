"""Compares channels_workers with Channels 1.1.8, using old applications."""
