"""Channels 1.x's worker-style programming model on current Django.

Most projects need these names alone::

    from channels_workers import Channel, Group, include, route, route_class

They are loaded at first use: a program without Django may import
:mod:`channels_workers.client`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: The module of each name.
_PLACES = {
    "Channel": "channel",
    "ConsumeLater": "exceptions",
    "DenyConnection": "exceptions",
    "Group": "channel",
    "Message": "message",
    "channel_session": "sessions",
    "channel_session_user": "auth",
    "channel_session_user_from_http": "auth",
    "get_channel_layer": "registry",
    "include": "routing",
    "route": "routing",
    "route_class": "routing",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
