"""The blocking client of the Redis layer: scripts and commands for threads, below one prefix."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import redis
import redis.exceptions

from channels_workers.exceptions import LayerRefused, LayerUnfit
from channels_workers.layers.aside import printable
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis import options, permissions, requests
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
from channels_workers.layers.redis.pipeline import BlockingPipeline, Command
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.scripts import script
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: What a request to Redis may raise.
ERRORS = (redis.exceptions.RedisError, OSError)

#: Keys that a flush leaves alone: without them it would be a loss of the data. They say in which
#: life of the data which processes live.
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
    "aside_logged",
)

#: Keys of those that live, named by them, which it leaves alone too.
KEPT_OF_LIVING = ("inbox", "connections", "session", "groups")


class Client:
    """A pool of blocking connections to the one Redis that *hosts* names.

    *prefix* begins every key, with the version of the formats after it. ``redis`` takes any
    command; what goes wrong there is to be :meth:`explained`.
    """

    def __init__(self, hosts: Any, prefix: str) -> None:
        self.host = read_hosts(hosts)
        self.prefix = f"{prefix}:{FORMAT_VERSION}:"
        self._format = f"{prefix}:format"
        self._says_nothing = False  # it may not be asked for its version
        self.renew()

    def renew(self) -> None:
        """Begin with a new pool; connections of the old one are left as they are."""
        self.pool = blocking_pool(self.host)
        self.redis = redis.Redis(connection_pool=self.pool)
        for command in ("XRANGE", "XREADGROUP"):
            self.redis.set_response_callback(command, requests.as_it_is)

    def __str__(self) -> str:
        return options.describe(self.host)

    def key(self, name: str) -> str:
        """Return the key *name* with the prefix before it."""
        return f"{self.prefix}{name}"

    def call(self, request: Request) -> Any:
        """Run a script; it is sent once, or again if Redis did not know it."""
        command = self.command(request)
        with self.explained():
            try:
                return self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
            except redis.exceptions.NoScriptError:
                self.teach(request.script)
                return self.redis.execute_command(*command)  # type: ignore[no-untyped-call]

    def command(self, request: Request, run: str = "") -> Command:
        """Return the command that runs a script which Redis knows; *run* is that of the line."""
        return requests.evaluate(self.prefix, request, request.arguments, run)

    def read(self, command: str, name: str, kind: str, *arguments: str) -> Any:
        """Return what a command reads from the key *name*; it is set aside if it is no *kind*."""
        words = (command, self.key(name), *arguments)
        with self.explained():
            try:
                return self.redis.execute_command(*words)  # type: ignore[no-untyped-call]
            except redis.exceptions.ResponseError as error:
                if not is_wrong_type(error):
                    raise
            self.mend([name], kind)
            return self.redis.execute_command(*words)  # type: ignore[no-untyped-call]

    def mend(self, names: Iterable[str], kind: str) -> None:
        """Set those of the keys *names* aside that are no *kind*."""
        self.call(Request("mend_keys", [part for name in names for part in (name, kind)]))

    def teach(self, *names: str) -> None:
        """Let Redis know the scripts *names*."""
        line = BlockingPipeline(self.pool)
        try:
            for reply in line.execute(*requests.teach(names)):
                if isinstance(reply, Exception):
                    raise reply
        finally:
            line.release()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise :class:`LayerUnavailable` for an error of Redis that may pass, or can be cured."""
        try:
            yield
        except Exception as error:
            self.explain(error)
            raise

    def explain(self, error: Exception) -> None:
        """Raise :class:`LayerUnavailable` if *error* is one that may pass, or can be cured."""
        if isinstance(error, ERRORS) and is_temporary(error):
            raise unavailable(self.host, error) from error

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless Redis answers, is fit, and lets us do our work."""
        with self.explained():
            check_server(self._ask_server(), str(self))
            self._check_format(cast("bytes | None", self.redis.get(self._format)))
        self._check_rights()

    def _ask_server(self) -> Mapping[str, Any]:
        """Return what Redis says of itself."""
        try:
            return cast("Mapping[str, Any]", self.redis.info("server"))
        except redis.exceptions.NoPermissionError:
            if not self._says_nothing:
                self._says_nothing = True
                extra = fields("rights_missing")
                text = (
                    "The user of Redis at %s may not run INFO. So nobody has looked whether it is "
                    "version 6.2 or later and no cluster, and that it was started again with data "
                    "of before is noticed late. Let it: ACL SETUSER <user> +info"
                )
                logger.warning(text, self, extra=extra)
            return {"redis_version": ".".join(map(str, OLDEST_VERSION))}

    def _check_format(self, found: bytes | None) -> None:
        if found is not None and found != str(FORMAT_VERSION).encode():
            raise LayerUnfit(
                f"The data in the Redis at {self} are of format {printable(found, 20)}, and this "
                f"process reads and writes format {FORMAT_VERSION}. Let all processes run "
                "releases of one format, or give CHANNEL_LAYERS another prefix."
            )

    def _check_rights(self) -> None:
        with self.explained():
            self.redis.ping()
            self.redis.script_load(script("permissions").source)
        refused: list[bytes] = self.call(Request("permissions", []))
        if refused:
            names = ", ".join(name.decode().upper() for name in dict.fromkeys(refused[::2]))
            said = plain(printable(refused[1]))
            raise LayerRefused(
                f"Redis at {self} does not let its user run {names} on keys that begin with "
                f"{self.prefix} ({said}). {permissions.CURE}"
            )

    def claim_format(self) -> None:
        """Note the version of the formats in Redis, unless one stands there."""
        with self.explained():
            self.redis.setnx(self._format, FORMAT_VERSION)

    def flush(self, own: str) -> None:
        """Delete every key with the prefix, but for what is of the living; tell all servers.

        The server *own*, if it is not "", leaves its groups.
        """
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self.prefix)
        living = self.read("HGETALL", "processes", "hash").keys()
        left = self.key(f"groups:{own}").encode()
        with self.explained():
            for key in self.redis.scan_iter(match=f"{pattern}*", count=1000):
                kind, _, name = key[len(self.prefix.encode()) :].partition(b":")
                if kind == b"group":
                    self.call(Request("prune_group", [name, own]))
                elif not _is_kept(kind, name, living) or key == left:
                    self.redis.unlink(key)
        self.call(Request("announce_flush", [own]))

    def disconnect(self) -> None:
        """Close the connections; the next request opens new ones."""
        self.pool.disconnect()


def _is_kept(kind: bytes, name: bytes, living: Collection[bytes]) -> bool:
    word = kind.decode("utf-8", "replace")
    if not name:
        return word in KEPT
    return word in KEPT_OF_LIVING and name.partition(b"!")[0] in living
