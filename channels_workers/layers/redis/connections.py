"""Hosts of Redis to connection pools, and what kind of server answers there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.retry
import redis.exceptions
import redis.sentinel
from channels_redis.utils import create_pool, decode_hosts
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from channels_workers.exceptions import LayerRefused, LayerUnavailable, LayerUnfit
from channels_workers.layers.redis import rights
from channels_workers.layers.redis.options import Host, describe, read_options, refuse
from channels_workers.logs import described

OLDEST_VERSION = (6, 2)

#: What redis-py raises when the server does not answer, or the line is cut.
DISCONNECTED = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)

#: How Redis begins when it cannot carry out a command just now: it starts, is full, cannot write
#: to its disk, is a replica, has no replica, or runs a long script; and how scripts of ours do when
#: it has lost its data.
TRANSIENT = (
    *("LOST ", "RECOVERING "),
    *("LOADING", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS", "BUSY ", "TRYAGAIN"),
    *("command not allowed", "You can't write against a read only"),
)

#: How it begins when the user may not do what we ask for; in a script Redis before 7.2 says it so.
FORBIDDEN = (
    *("NOPERM", "The user executing the script", "ACL failure in script"),
    *("unknown command", "Unknown Redis command"),
)

#: How it begins when it does not know who asks.
STRANGER = ("WRONGPASS", "NOAUTH", "invalid password", "AUTH ")

#: How it begins when it has no database of the number in the address.
NO_DATABASE = ("DB index", "invalid DB index", "SELECT is not allowed")

#: How Redis before 7.0 writes the error of a command that a script of ours calls.
_OF_SCRIPT = re.compile(r"(?:ERR )?Error running script .*?@user_script: \d+: -(?P<error>.+)")


def read_hosts(hosts: Any) -> Host:
    """Return the one host that *hosts*, in any form that channels-redis takes, names.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for anything else.
    """
    try:
        decoded = decode_hosts(hosts)
    except ValueError as error:
        raise ImproperlyConfigured(f"CONFIG['hosts'] of CHANNEL_LAYERS: {error}") from error
    if len(decoded) != 1:
        raise ImproperlyConfigured(
            f"CONFIG['hosts'] of CHANNEL_LAYERS names {len(decoded)} servers; this layer keeps "
            "all its data in one. Name one Redis (or its Sentinels, as one entry)."
        )
    host = read_options(decoded[0])
    for make_pool in (blocking_pool, asyncio_pool):
        try:
            make_pool(host).make_connection()  # none is opened
        except Exception as error:  # noqa: BLE001  (each option has errors of its own)
            raise refuse(host, error) from None
    return host


def is_temporary(error: Exception) -> bool:
    """Say whether the same request may succeed later, perhaps when somebody has cured it."""
    if isinstance(error, DISCONNECTED) or refusal(error):
        return True
    kinds = (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError)
    return isinstance(error, kinds) or plain(str(error)).startswith(TRANSIENT)


def plain(text: str) -> str:
    """Return an error of Redis as 7.0 writes it, without the script that ran into it."""
    found = _OF_SCRIPT.match(text)
    return found["error"] if found else text


def is_loss(error: Exception) -> bool:
    """Say whether a script of ours found less than there should be."""
    return str(error).startswith("LOST ")


def is_wrong_type(error: Any) -> bool:
    """Say whether a key has a type that we do not give it."""
    return isinstance(error, redis.exceptions.ResponseError) and "WRONGTYPE" in str(error)


def refusal(error: Exception) -> str:
    """Return what is to be done if *error* says that Redis will have none of us, "" else."""
    text = plain(str(error)).removeprefix("ERR ")
    if isinstance(error, redis.exceptions.NoPermissionError) or text.startswith(FORBIDDEN):
        return f"Its user lacks a right. {rights.CURE}"
    kinds = (
        redis.exceptions.AuthenticationError,
        redis.exceptions.AuthenticationWrongNumberOfArgsError,
    )
    if isinstance(error, kinds) or text.startswith(STRANGER):
        return "Correct the user and the password in the address, or those that Redis knows."
    if text.startswith(NO_DATABASE):
        return "Name a database that it has, as a rule 0: redis://host:6379/0."
    return ""


def unavailable(host: Host, error: Exception) -> LayerUnavailable:
    """Return the error to raise, or to log, when the Redis at *host* does not do what we ask for.

    It is *error* itself if that says so already.
    """
    if isinstance(error, LayerUnavailable):
        return error
    if cure := refusal(error):
        said = plain(str(error)).rstrip(".")
        return LayerRefused(f"Redis at {describe(host)} refuses us: {said}. {cure}")
    if isinstance(error, DISCONNECTED) or is_temporary(error):
        return LayerUnavailable(
            f"Redis at {describe(host)} does not answer ({described(error)}). "
            "Is it running, and is its address right?"
        )
    what = f"{type(error).__name__}: {plain(str(error))}"
    return LayerUnavailable(f"Redis at {describe(host)} answers with what we cannot take ({what}).")


def _options(host: Host) -> Host:
    # RESP 2, whose replies are flat lists; a time-out longer than any blocking read; a ping
    # before a connection that was idle is used (providers cut those).
    defaults: Host = {
        "protocol": 2,
        "socket_timeout": 10.0,
        "socket_connect_timeout": 5.0,
        "health_check_interval": 30,
    }
    if not str(host.get("address", "")).startswith("unix:"):
        defaults["socket_keepalive"] = True
    options = {**defaults, **host}
    if options["socket_timeout"] is not None:  # shorter, it would end each blocking read
        options["socket_timeout"] = max(options["socket_timeout"], 5.0)
    return options


def blocking_pool(host: Host) -> redis.ConnectionPool:
    """Return a pool for threads, whose connections repeat no command by themselves."""
    options = {**_options(host), "retry": Retry(NoBackoff(), 0)}
    if "address" in options:
        return redis.ConnectionPool.from_url(options.pop("address"), **options)
    if "master_name" not in options:
        return redis.ConnectionPool(**options)
    sentinel = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        options.pop("sentinels"), sentinel_kwargs=options.pop("sentinel_kwargs", None)
    )
    return redis.sentinel.SentinelConnectionPool(  # type: ignore[no-untyped-call]
        options.pop("master_name"), sentinel, **options
    )


def asyncio_pool(host: Host) -> redis.asyncio.ConnectionPool:
    """Return a pool for one event loop, whose connections repeat no command by themselves."""
    retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
    pool: redis.asyncio.ConnectionPool = create_pool({**_options(host), "retry": retry})
    return pool


def goes_on() -> bool:
    """Say whether the running task is to go on: nobody has cancelled it.

    To be asked in each turn of a loop without end, as redis-py swallows a cancellation that comes
    while it connects.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()


def check_server(info: Mapping[str, Any], address: str) -> None:
    """Raise :class:`LayerUnfit` unless *info* (of ``INFO server``) is of a fit server."""
    version = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_VERSION:
        raise LayerUnfit(
            f"The Redis at {address} is version {version}; 6.2 or later is needed. "
            "Upgrade it, or point CHANNEL_LAYERS to a newer one."
        )
    if "cluster" in (info.get("redis_mode"), info.get("server_mode")):  # as Valkey 9 says
        raise LayerUnfit(
            f"The Redis at {address} is a cluster. A commit changes keys of many slots in one "
            "step, which a cluster refuses; use one Redis, or a Sentinel pair."
        )
