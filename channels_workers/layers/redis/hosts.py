"""The host of Redis: its connection pools, and the meaning of its errors."""

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
from channels_redis.utils import create_pool
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from channels_workers import recorder
from channels_workers.exceptions import LayerRefused, LayerUnavailable, LayerUnfit
from channels_workers.layers.redis import permissions
from channels_workers.layers.redis.cluster import (
    async_cluster_pool,
    blocking_cluster_pool,
    read_cluster,
)
from channels_workers.layers.redis.options import Host, describe, read_options, refuse
from channels_workers.layers.redis.shard_hosts import read_shards
from channels_workers.logs import described

OLDEST_VERSION = (6, 2)

#: The oldest Valkey whose cluster moves a slot in one step.
OLDEST_CLUSTER = (9, 0)

#: The errors of redis-py if the server does not answer, or the connection is cut.
DISCONNECTED = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError)

#: The errors of a Redis that answers.
REFUSED = (redis.exceptions.ResponseError, redis.exceptions.BusyLoadingError)

#: How transient errors begin: Redis loads its data, is full, cannot write to its disk, is a
#: replica, has no replica, or runs a long script. Our scripts raise the first two after a loss.
TRANSIENT = (
    *("LOST ", "RECOVERING "),
    *("LOADING", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS", "BUSY ", "TRYAGAIN"),
    *("MOVED ", "ASK ", "CLUSTERDOWN", "UNBLOCKED"),
    *("command not allowed", "You can't write against a read only"),
)

#: How errors begin if the user lacks a permission; some are those of scripts before Redis 7.2.
FORBIDDEN = (
    *("NOPERM", "The user executing the script", "ACL failure in script"),
    *("unknown command", "Unknown Redis command"),
)

#: How errors begin if the log-in fails.
STRANGER = ("WRONGPASS", "NOAUTH", "invalid password", "AUTH ")

#: How errors begin if the database in the address does not exist.
NO_DATABASE = ("DB index", "invalid DB index", "SELECT is not allowed")

#: The error of a command in a script, before Redis 7.0.
_OF_SCRIPT = re.compile(r"(?:ERR )?Error running script .*?@user_script: \d+: -(?P<error>.+)")


def read_hosts(hosts: Any) -> Host:
    """Return the one host in *hosts*, which has a form of channels-redis.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for anything else.
    """
    decoded = list(read_shards(hosts).values())
    if len(decoded) != 1:
        raise ImproperlyConfigured(
            f"CONFIG['hosts'] of CHANNEL_LAYERS names {len(decoded)} servers where one is needed. "
            "Name one Redis (or its Sentinels, as one entry)."
        )
    host = read_options(decoded[0])
    if "cluster" in host:
        host = read_cluster(host)
    for make_pool in (blocking_pool, asyncio_pool):
        try:
            make_pool(host).make_connection()  # none is opened
        except Exception as error:  # noqa: BLE001  (each option has its own errors)
            raise refuse(host, error) from None
    return host


def is_temporary(error: Exception) -> bool:
    """Say whether the same request may succeed later, perhaps after a cure."""
    if isinstance(error, DISCONNECTED) or refusal(error):
        return True
    kinds = (redis.exceptions.OutOfMemoryError, redis.exceptions.ReadOnlyError)
    return isinstance(error, kinds) or plain(str(error)).startswith(TRANSIENT)


def plain(text: str) -> str:
    """Return an error in the form of Redis 7.0, without the script around it."""
    found = _OF_SCRIPT.match(text)
    return found["error"] if found else text


def is_loss(error: Exception) -> bool:
    """Say whether one of our scripts reported missing data."""
    return str(error).startswith("LOST ")


def is_wrong_type(error: Any) -> bool:
    """Say whether a key has a foreign type."""
    return isinstance(error, redis.exceptions.ResponseError) and "WRONGTYPE" in str(error)


def refusal(error: Exception) -> str:
    """Return the cure if Redis refuses our user or our database, else ""."""
    text = plain(str(error)).removeprefix("ERR ")
    if isinstance(error, redis.exceptions.NoPermissionError) or text.startswith(FORBIDDEN):
        return f"Its user lacks a permission. {permissions.CURE}"
    kinds = (
        redis.exceptions.AuthenticationError,
        redis.exceptions.AuthenticationWrongNumberOfArgsError,
    )
    if isinstance(error, kinds) or text.startswith(STRANGER):
        return "Correct the user and the password in the address, or in Redis."
    if text.startswith(NO_DATABASE):
        return "Name a database that exists, such as 0: redis://host:6379/0."
    return ""


def kind_of(error: Exception) -> str:
    """Return what kind of error this is, for the metrics."""
    if isinstance(error, redis.exceptions.TimeoutError | TimeoutError):
        return "timeout"
    if refusal(error) or isinstance(error, REFUSED):
        return "refused"
    return "connection" if isinstance(error, DISCONNECTED) else "other"


def unavailable(host: Host, error: Exception) -> LayerUnavailable:
    """Return the error to raise or log after *error* from the Redis at *host*."""
    if isinstance(error, LayerUnavailable):
        return error
    if (found := recorder.current()) is not None:
        found.layer.failed(kind_of(error))
    if cure := refusal(error):
        said = plain(str(error)).rstrip(".")
        return LayerRefused(f"Redis at {describe(host)} refuses us: {said}. {cure}")
    if isinstance(error, DISCONNECTED) or is_temporary(error):
        return LayerUnavailable(
            f"Redis at {describe(host)} does not answer ({described(error)}). "
            "Is it running, and is its address right?"
        )
    what = f"{type(error).__name__}: {plain(str(error))}"
    return LayerUnavailable(f"Redis at {describe(host)} sends an unexpected reply ({what}).")


def _options(host: Host) -> Host:
    # RESP 2, for flat lists; a time-out longer than any blocking read; a ping before the use of an
    # idle connection, as providers cut those.
    defaults: Host = {
        "protocol": 2,
        "socket_timeout": 10.0,
        "socket_connect_timeout": 5.0,
        "health_check_interval": 30,
    }
    if not str(host.get("address", "")).startswith("unix:"):
        defaults["socket_keepalive"] = True
    options = {**defaults, **host}
    if options["socket_timeout"] is not None:  # a shorter one would end each blocking read
        options["socket_timeout"] = max(options["socket_timeout"], 5.0)
    return options


def blocking_pool(host: Host, limit: float | None = None) -> redis.ConnectionPool:
    """Return a pool for threads; its connections repeat no command.

    They wait *limit* seconds at most, for the connection and for each reply.
    """
    options = {**_options(host), "retry": Retry(NoBackoff(), 0)}
    if limit is not None:
        for name in ("socket_timeout", "socket_connect_timeout"):
            options[name] = min(limit, options[name] or limit)
    if "cluster" in options:
        return blocking_cluster_pool(options)
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
    """Return a pool for one event loop; its connections repeat no command."""
    retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
    if "cluster" in host:
        return async_cluster_pool({**_options(host), "retry": retry})
    pool: redis.asyncio.ConnectionPool = create_pool({**_options(host), "retry": retry})
    return pool


def goes_on() -> bool:
    """Say whether the running task was not cancelled.

    Ask in each turn of an endless loop: redis-py swallows a cancellation while it connects.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()


def check_server(info: Mapping[str, Any], address: str, host: Host | None = None) -> None:
    """Raise :class:`LayerUnfit` unless *info* (of ``INFO server``) shows a usable server."""
    version = str(info.get("redis_version", "0"))
    if _numbers(version) < OLDEST_VERSION:
        raise LayerUnfit(
            f"The Redis at {address} is version {version}; 6.2 or later is needed. "
            "Upgrade it, or point CHANNEL_LAYERS to a newer one."
        )
    if "cluster" in (info.get("redis_mode"), info.get("server_mode")):  # as Valkey 9 says
        _check_cluster(info, address, host or {})


def _check_cluster(info: Mapping[str, Any], address: str, host: Host) -> None:
    if "cluster" not in host:
        raise LayerUnfit(
            f"The Redis at {address} is a cluster. A commit changes keys of many slots in one "
            "step, which a cluster refuses; use one Redis, or a Sentinel pair. Of Valkey 9 and "
            "later, name the nodes: {'cluster': ['redis://host:6379']}."
        )
    valkey = str(info.get("valkey_version", "0"))
    if _numbers(valkey) < OLDEST_CLUSTER and not host.get("slots_stay"):
        name = f"Valkey {valkey}" if valkey != "0" else f"Redis {info.get('redis_version')}"
        raise LayerUnfit(
            f"The cluster at {address} is {name}, which moves the keys of a slot one by one: a "
            "commit would see half of them. Use Valkey 9 or later, or one Redis. If nobody ever "
            "moves slots there, say so by 'slots_stay': True beside 'cluster'."
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
