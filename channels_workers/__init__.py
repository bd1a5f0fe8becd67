"""Channels 1.x's worker-style programming model on current Django.

Most projects need these names alone::

    from channels_workers import Channel, Group, include, route, route_class
"""

from channels_workers.auth import channel_session_user, channel_session_user_from_http
from channels_workers.channel import Channel, Group
from channels_workers.exceptions import ConsumeLater, DenyConnection
from channels_workers.message import Message
from channels_workers.registry import get_channel_layer
from channels_workers.routing import include, route, route_class
from channels_workers.sessions import channel_session

__all__ = [
    "Channel",
    "ConsumeLater",
    "DenyConnection",
    "Group",
    "Message",
    "channel_session",
    "channel_session_user",
    "channel_session_user_from_http",
    "get_channel_layer",
    "include",
    "route",
    "route_class",
]

__version__ = "0.1.0"
