"""The blocking client of the Redis layer: scripts and commands for threads, below one prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
import redis.exceptions

from channels_workers.exceptions import LayerUnfit
from channels_workers.layers.base import FORMAT_VERSION
from channels_workers.layers.redis import commands, connections
from channels_workers.layers.redis.commands import Request
from channels_workers.layers.redis.lines import Command, Line

#: What a request to Redis may raise.
ERRORS = (redis.exceptions.RedisError, OSError)

#: Keys that a flush leaves alone: without them it would be a loss of the data.
KEPT = ("epoch", "run")


class Client:
    """A pool of blocking connections to the one Redis that *hosts* names.

    *prefix* begins every key, with the version of the formats after it. ``redis`` takes any
    command; what goes wrong there is to be :meth:`explained`.
    """

    def __init__(self, hosts: Any, prefix: str) -> None:
        self.host = connections.read_hosts(hosts)
        self.prefix = f"{prefix}:{FORMAT_VERSION}:"
        self._format = f"{prefix}:format"
        self.renew()

    def renew(self) -> None:
        """Begin with a new pool; connections of the old one are left as they are."""
        self.pool = connections.blocking_pool(self.host)
        self.redis = redis.Redis(connection_pool=self.pool)
        for command in ("XRANGE", "XREADGROUP"):
            self.redis.set_response_callback(command, commands.as_it_is)

    def __str__(self) -> str:
        return connections.describe(self.host)

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
        return commands.evaluate(self.prefix, request, request.arguments, run)

    def teach(self, *names: str) -> None:
        """Let Redis know the scripts *names*."""
        line = Line(self.pool)
        try:
            for reply in line.execute(*commands.teach(names)):
                if isinstance(reply, Exception):
                    raise reply
        finally:
            line.release()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise :class:`LayerUnavailable` for an error of Redis that may pass."""
        try:
            yield
        except Exception as error:
            self.explain(error)
            raise

    def explain(self, error: Exception) -> None:
        """Raise :class:`LayerUnavailable` if *error* is one of Redis that may pass."""
        if isinstance(error, ERRORS) and connections.is_temporary(error):
            raise connections.unavailable(self.host, error) from error

    def check_server(self) -> None:
        """Raise :class:`LayerUnavailable` unless Redis answers, is new enough and no cluster."""
        with self.explained():
            connections.check_server(self.redis.info("server"), str(self))
            found = cast("bytes | None", self.redis.get(self._format))
        if found is not None and found != str(FORMAT_VERSION).encode():
            raise LayerUnfit(
                f"The data in the Redis at {self} are of format {found.decode()}, and this "
                f"process reads and writes format {FORMAT_VERSION}. Let all processes run "
                "releases of one format, or give CHANNEL_LAYERS another prefix."
            )

    def claim_format(self) -> None:
        """Note the version of the formats in Redis, unless one stands there."""
        with self.explained():
            self.redis.setnx(self._format, FORMAT_VERSION)

    def delete_keys(self) -> None:
        """Delete every key with the prefix, but for those that are :data:`KEPT`."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self.prefix)
        kept = [self.key(name).encode() for name in KEPT]
        with self.explained():
            for key in self.redis.scan_iter(match=f"{pattern}*", count=1000):
                if key not in kept:
                    self.redis.unlink(key)

    def disconnect(self) -> None:
        """Close the connections; the next request opens new ones."""
        self.pool.disconnect()
