"""Channels 1.x's worker-style programming model on current Django.

The names that most projects need::

    from channels_workers import Channel, Group, include, route, route_class
"""

from channels_workers.channel import Channel, Group
from channels_workers.routing import include, route, route_class

__all__ = ["Channel", "Group", "include", "route", "route_class"]

__version__ = "0.1.0"
