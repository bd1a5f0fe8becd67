"""The layer of many processes, in Redis 6.2 or later."""

from channels_workers.layers.redis.layer import RedisChannelLayer

__all__ = ["RedisChannelLayer"]
