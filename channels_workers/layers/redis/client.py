"""The blocking client of the Redis layer: scripts and commands of threads, under one prefix."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import redis
import redis.exceptions

from channels_workers import recorder
from channels_workers.conf import configuration
from channels_workers.exceptions import LayerRefused, LayerUnfit
from channels_workers.layers.aside import printable
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis import options, permissions, wire
from channels_workers.layers.redis.blocking_pipeline import make_blocking_pipeline
from channels_workers.layers.redis.cluster import tag
from channels_workers.layers.redis.hosts import (
    OLDEST_VERSION,
    blocking_pool,
    check_server,
    is_temporary,
    is_wrong_type,
    plain,
    read_hosts,
    unavailable,
)
from channels_workers.layers.redis.requests import Request, load_scripts
from channels_workers.layers.redis.resp import Command, raised
from channels_workers.layers.redis.scripts import script
from channels_workers.layers.redis.shard import Shard
from channels_workers.layers.types import KEPT_MARK
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The errors of redis-py.
ERRORS = (redis.exceptions.RedisError, OSError)

#: Keys that a flush keeps: which processes live, in which epoch. Without them the flush would be a
#: loss of data.
KEPT = (
    *(
        "epoch",
        "run",
        "recovering",
        "recovered",
        "processes",
        "process_info",
        "dead",
        "awaiting_cleanup",
    ),
    *("aside_logged", "relays", "relayed"),
    *("histories", "history_order"),  # deleted in one step
    *("logs", "processed", "marks", "puller"),  # else a log would begin again, and pass for known
    *("parked", "lifelines"),
)

#: Keys named by a living process, which a flush keeps, too.
KEPT_OF_LIVING = ("inbox", "connections", "session", "groups", "ended")

#: Keys of kept connections, which may be at another server than the one in their names.
OF_KEPT = (b"kept", b"session")


class Client:
    """A pool of blocking connections to the one Redis that *hosts* names, that of *shard* if given.

    *prefix* and the format version begin every key. ``redis`` takes any command; wrap its use in
    :meth:`explained`.
    """

    def __init__(self, hosts: Any, prefix: str, shard: Shard | None = None) -> None:
        self.host = read_hosts(hosts)
        if "cluster" in self.host:  # all keys in one slot
            is_first = shard is None or shard.name == shard.names[0]
            prefix = tag(prefix if is_first or shard is None else f"{prefix}.{shard.name}")
            self.host["run_key"] = f"{prefix}:{FORMAT_VERSION}:run"
        self.prefix = f"{prefix}:{FORMAT_VERSION}:"
        self.shard = shard
        #: The key that tells scripts of the other shards, "" if there are none.
        self.shards = shard.key(self.prefix) if shard else ""
        self._format = f"{prefix}:format"
        self._has_warned = False  # that its user may not run INFO
        self.renew()

    def renew(self) -> None:
        """Begin with a new pool; leave connections of the old one as they are."""
        self.pool = blocking_pool(self.host)
        self.redis = redis.Redis(connection_pool=self.pool)
        for command in ("XRANGE", "XREVRANGE", "XREADGROUP", "XREAD"):
            self.redis.set_response_callback(command, wire.as_it_is)
        self._quick: redis.Redis | None = None

    @property
    def quick(self) -> redis.Redis:
        """The client for sends outside consumers, which wait ``SEND_TIMEOUT`` at most."""
        if self._quick is None:
            pool = blocking_pool(self.host, configuration().SEND_TIMEOUT)
            self._quick = redis.Redis(connection_pool=pool)
        return self._quick

    def __str__(self) -> str:
        return options.describe(self.host)

    def key(self, name: str) -> str:
        """Return the key *name* with the prefix before it."""
        return f"{self.prefix}{name}"

    def call(self, request: Request, quick: bool = False) -> Any:
        """Run a script; send it again only if Redis did not know it.

        A *quick* call fails after ``SEND_TIMEOUT``.
        """
        client = self.quick if quick else self.redis
        command = request.command(self.prefix, shards=self.shards)
        found, began = recorder.current(), time.monotonic()
        with self.explained():
            try:
                reply = client.execute_command(*command)  # type: ignore[no-untyped-call]
            except redis.exceptions.NoScriptError:
                self.load_scripts(request.script)
                reply = client.execute_command(*command)  # type: ignore[no-untyped-call]
        if found is not None:
            found.layer.answered([request.script], time.monotonic() - began)
        return reply

    def ask(self, *commands: Command, quick: bool = False) -> list[Any]:
        """Return the replies to *commands*, in one write; *quick* as in :meth:`call`."""
        pipeline = (self.quick if quick else self.redis).pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        with self.explained():
            return pipeline.execute()

    def read(self, command: str, name: str, kind: str, *arguments: str) -> Any:
        """Return the reply to *command* on the key *name*; set the key aside if it is no *kind*."""
        words: Command = (command, self.key(name), *arguments)
        with self.explained():
            try:
                return self.redis.execute_command(*words)  # type: ignore[no-untyped-call]
            except redis.exceptions.ResponseError as error:
                if not is_wrong_type(error):
                    raise
            self.mend([name], kind)
            return self.redis.execute_command(*words)  # type: ignore[no-untyped-call]

    def mend(self, names: Iterable[str], kind: str) -> None:
        """Set those of the keys *names* aside that have another type than *kind*."""
        self.call(Request("mend_keys", [part for name in names for part in (name, kind)]))

    def time(self) -> float:
        """Return the time of Redis (Unix s), at the microsecond."""
        with self.explained():
            seconds, microseconds = self.redis.time()
        return float(seconds + microseconds / 1e6)

    def load_scripts(self, *names: str) -> None:
        """Load the scripts *names* into Redis."""
        pipeline = make_blocking_pipeline(self.pool)
        try:
            for reply in pipeline.execute(*load_scripts(names, self.shards)):
                raised(reply)
        finally:
            pipeline.release()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise :class:`LayerUnavailable` for an error that may pass, or that you can cure."""
        try:
            yield
        except Exception as error:
            self.explain(error)
            raise

    def explain(self, error: Exception) -> None:
        """Raise :class:`LayerUnavailable` if *error* may pass, or if you can cure it."""
        if (explained := self.explanation(error)) is not error:
            raise explained from error

    def explanation(self, error: Exception) -> Exception:
        """Return *error*; :class:`LayerUnavailable` if it may pass, or if you can cure it."""
        is_outage = isinstance(error, ERRORS) and is_temporary(error)
        return unavailable(self.host, error) if is_outage else error

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless Redis answers, fits, and permits our commands."""
        with self.explained():
            check_server(self._ask_server(), str(self), self.host)
            self._check_format(cast("bytes | None", self.redis.get(self._format)))
        self._check_rights()

    def find_place(self) -> tuple[str, int] | None:
        """Return the server (its run id) and database of the data; None if they are not known."""
        try:
            found = cast("Mapping[str, Any]", self.redis.info("server")).get("run_id", "")
        except ERRORS:
            return None
        return (found, self.pool.connection_kwargs.get("db") or 0) if found else None

    def _ask_server(self) -> Mapping[str, Any]:
        """Return the reply to ``INFO server``."""
        try:
            return cast("Mapping[str, Any]", self.redis.info("server"))
        except redis.exceptions.NoPermissionError:
            if not self._has_warned:
                self._has_warned = True
                extra = fields("rights_missing")
                text = (
                    "The user of Redis at %s may not run INFO. So its version (6.2 or later) and "
                    "kind (no cluster) are not checked, and a restart with old data and the death "
                    "of a process are noticed late. Permit it: ACL SETUSER <user> +info"
                )
                logger.warning(text, self, extra=extra)
            return {"redis_version": ".".join(map(str, OLDEST_VERSION))}

    def _check_format(self, found: bytes | None) -> None:
        if found is not None and found != str(FORMAT_VERSION).encode():
            raise LayerUnfit(
                f"The data in the Redis at {self} are of format {printable(found, 20)}, and this "
                f"process reads and writes format {FORMAT_VERSION}. Run releases of one format, or "
                "give CHANNEL_LAYERS another prefix."
            )

    def _check_rights(self) -> None:
        with self.explained():
            self.redis.ping()
            self.redis.script_load(script("permissions", bool(self.shards)).source)
        refused: list[bytes] = self.call(Request("permissions", []))
        if refused:
            names = ", ".join(name.decode().upper() for name in dict.fromkeys(refused[::2]))
            said = plain(printable(refused[1]))
            raise LayerRefused(
                f"The user of Redis at {self} may not run {names} on keys that begin with "
                f"{self.prefix} ({said}). {permissions.CURE}"
            )
        self._check_right_to_wait()

    def _check_right_to_wait(self) -> None:
        """Try ``BLPOP``, which Redis 6.2 refuses to all scripts, with a time-out that is none."""
        with self.explained():
            try:
                self.redis.execute_command("BLPOP", self.key("permissions"), "none")  # type: ignore[no-untyped-call]
            except redis.exceptions.ResponseError as error:
                self.explain(error)

    def claim_format(self) -> None:
        """Store the format version in Redis, unless there is one."""
        with self.explained():
            self.redis.setnx(self._format, FORMAT_VERSION)

    def note_epoch(self, epoch: str) -> None:
        """Note in the metrics that a process of ours is registered in *epoch*."""
        if (found := recorder.current()) is not None:
            found.layer.registered(f"{self} {self.prefix}", epoch)

    def flush(self, own: str) -> None:
        """Delete every key with the prefix, except those of living processes; notify all servers.

        The server *own*, if not "", leaves its groups.
        """
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self.prefix)
        living = self.read("HGETALL", "processes", "hash").keys()
        left = self.key(f"groups:{own}").encode()
        with self.explained():
            self.redis.unlink(self.key("histories"), self.key("history_order"))
            for key in self.redis.scan_iter(match=f"{pattern}*", count=1000):
                kind, _, name = key[len(self.prefix.encode()) :].partition(b":")
                if kind == b"group":
                    self.call(Request("prune_group", [name, own]))
                elif kind == b"log" and self.shards:
                    self.call(Request("flush_log", []))
                elif kind in OF_KEPT and KEPT_MARK.encode() in name:
                    self.call(Request("prune_kept", [name]))
                elif not _is_kept(kind, name, living) or key == left:
                    self.redis.unlink(key)
        self.call(Request("announce_flush", [own]))

    def disconnect(self) -> None:
        """Close the connections; the next request opens new ones."""
        self.pool.disconnect()
        if self._quick is not None:
            self._quick.connection_pool.disconnect()


def _is_kept(kind: bytes, name: bytes, living: Collection[bytes]) -> bool:
    word = kind.decode("utf-8", "replace")
    if not name:
        return word in KEPT
    return word in KEPT_OF_LIVING and name.partition(b"!")[0] in living
