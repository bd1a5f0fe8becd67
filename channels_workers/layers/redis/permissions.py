"""The permissions that the layer needs in Redis."""

from __future__ import annotations

#: The commands, with those in scripts; ``permissions.lua`` tries them.
COMMANDS = (
    *("evalsha", "script|load", "ping", "select", "scan", "time", "type", "exists", "unlink"),
    *("del", "rename", "get", "set", "setnx", "mget", "memory|usage"),
    *("hget", "hset", "hdel", "hkeys", "hmget", "hgetall", "hexists", "hincrby", "hlen", "hscan"),
    *("sadd", "srem", "smembers", "sismember", "scard", "lpush", "lpos", "ltrim"),
    *("rpush", "lpop", "blpop", "pexpire"),
    *("zadd", "zcard", "zrange", "zrem"),
    *("xadd", "xdel", "xlen", "xtrim", "xrange", "xrevrange", "xread", "xreadgroup"),
    *("xack", "xpending"),
    *("xgroup|create", "xgroup|delconsumer", "xinfo|consumers"),
)

#: Shows the version of Redis, and a restart at once; the layer works without it.
OPTIONAL = "info"

#: Counts messages for the statistics; without it they have no ``messages_count``.
STATISTICS = "xinfo|stream"

#: Takes a dead server out of many groups in small steps; without it that is one step.
STEPS = "sscan"

#: A lifeline shows the death of a process at once, instead of after 5 s.
LIFELINE = ("client|info", "subscribe", "unsubscribe", "pubsub|numsub")


def rules(prefix: str) -> str:
    """Return the rules of ``ACL SETUSER`` for a user with exactly these permissions."""
    optional = (OPTIONAL, STATISTICS, STEPS, *LIFELINE)
    commands = " ".join(f"+{command}" for command in (*COMMANDS, *optional))
    return f"resetkeys ~{prefix}:* resetchannels &{prefix}:* -@all {commands}"


CURE = (
    "Grant those in docs/reference/redis.md, or more broadly: ACL SETUSER <user> "
    "~<prefix>:* +@read +@write +@connection +@scripting +info; <prefix> is that in the CONFIG "
    "of CHANNEL_LAYERS."
)
