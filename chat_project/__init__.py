"""The project of the chat: settings, addresses, and the ASGI and WSGI applications."""
