"""A chat with many rooms: the example of worker-style Channels."""
