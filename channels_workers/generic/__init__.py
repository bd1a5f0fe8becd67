"""Class-based consumers as in Channels 1.1.8, and mixins for those of Channels 4."""

from channels_workers.generic.base import BaseConsumer

__all__ = ["BaseConsumer"]
