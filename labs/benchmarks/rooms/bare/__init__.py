"""The limit: a room in plain ASGI, one process, no layer at all."""
