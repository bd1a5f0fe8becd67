"""What a user of Redis must be allowed, so that the layer can do its work."""

from __future__ import annotations

#: The commands, those in scripts among them; ``rights.lua`` tries them.
COMMANDS = (
    *("evalsha", "script|load", "ping", "select", "scan", "time", "type", "exists", "unlink"),
    *("del", "rename", "get", "set", "setnx", "mget", "memory|usage"),
    *("hget", "hset", "hdel", "hkeys", "hmget", "hgetall", "hexists", "hincrby", "hlen", "hscan"),
    *("sadd", "srem", "smembers", "sismember", "scard", "lpush", "lpos", "ltrim"),
    *("xadd", "xdel", "xlen", "xtrim", "xrange", "xrevrange", "xread", "xreadgroup"),
    *("xack", "xpending"),
    *("xgroup|create", "xgroup|delconsumer", "xinfo|consumers"),
)

#: What tells the version of Redis and notices at once that it was started again; it goes without.
OPTIONAL = "info"


def rules(prefix: str) -> str:
    """Return the rules of ``ACL SETUSER`` for a user who may do this, and no more."""
    commands = " ".join(f"+{command}" for command in (*COMMANDS, OPTIONAL))
    return f"resetkeys ~{prefix}:* resetchannels -@all {commands}"


CURE = (
    "Give it those that docs/reference/redis.md lists, or more roughly: ACL SETUSER <user> "
    "~<prefix>:* +@read +@write +@connection +@scripting +info; <prefix> is that in the CONFIG "
    "of CHANNEL_LAYERS."
)
