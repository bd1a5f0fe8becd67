"""What class-based consumers of Channels 4 need to live beside function consumers."""
