"""The name that :class:`~channels_workers.test.websocket.WSClient` had before; as in 1.1.8."""

from channels_workers.test.websocket import WSClient

__all__ = ["HttpClient"]

HttpClient = WSClient
