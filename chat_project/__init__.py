"""The project of the chat: settings, URLs, and the ASGI and WSGI applications."""
