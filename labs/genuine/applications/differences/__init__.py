"""What shows that channels_workers is not always as Channels 1.1.8."""
