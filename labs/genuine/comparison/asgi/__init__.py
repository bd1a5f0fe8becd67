"""The ASGI applications for the interface servers of both engines."""
