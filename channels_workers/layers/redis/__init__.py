"""The layer of several processes, over Redis 6.2 or later."""

from channels_workers.layers.redis.layer import RedisChannelLayer

__all__ = ["RedisChannelLayer"]
