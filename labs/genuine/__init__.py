"""Old applications, to see that channels_workers does as Channels 1.1.8 did."""
