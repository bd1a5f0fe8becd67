"""A room on publish/subscribe of Redis alone, under a plain ASGI server."""
