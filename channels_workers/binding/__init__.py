"""Models that send to sockets and are changed by frames, as in Channels 1.1.8."""

from channels_workers.binding.base import Binding

__all__ = ["Binding"]
