"""A chat of many rooms: the example that shows worker-style Channels at work."""
