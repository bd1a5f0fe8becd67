"""The lifeline of this process: a connection whose end tells the others at once that it has died.

A process that dies, however it dies, has all its connections closed by its operating system; one
that is frozen or busy keeps them. So each process holds a connection that subscribes to a channel
of its own, to which nobody publishes, and workers look whether Redis still knows the subscriber.

Only a direct connection says this: a proxy or a NAT between the process and Redis may close it for
reasons of its own, or keep it for long. The process finds out by its address as Redis sees it.
"""

from __future__ import annotations

import logging
import math
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
import redis.exceptions

from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import redis_py
from channels_workers.layers.redis.client import ERRORS, Client
from channels_workers.layers.redis.requests import Request, load_scripts
from channels_workers.layers.redis.resp import ASK_RUN, Argument, run_of
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The pause after a failed attempt (s): the first, and the longest.
PAUSE, LONGEST_PAUSE = 0.05, 5.0

#: The longest pause while Redis takes a process for cut off (s): others wait ``CUT_OFF_FOR``.
UNTOLD_PAUSE = 0.1

#: For how long after the cut of its own lifeline a process believes no other one dead by its
#: lifeline (s).
SUSPECT_FOR = 5.0

REFUSED = (
    "The user of Redis at %s may not do all that a lifeline needs (%s). So the death of a process "
    "is noticed after 5 s instead of one. Permit it: ACL SETUSER <user> +client|info +subscribe "
    "+unsubscribe +pubsub|numsub &<prefix>:*"
)
INDIRECT = (
    "There is a proxy or a NAT between this process and Redis at %s (%s is %s there), so the death "
    "of a process is noticed after 5 s instead of one"
)

_address = re.compile(rb"(?:^| )addr=(\S+)").search


class Lifeline:
    """Holds the lifeline of the processes of *client* in this process of the operating system.

    Threads may call its methods at any time; none waits for Redis.
    """

    def __init__(self, client: Client, is_wanted: bool = True) -> None:
        self.client = client
        self._names: frozenset[str] = frozenset()
        self._changed = threading.Condition()
        self._connection: Any = None
        self._thread: Duty | None = None
        self._is_held = False
        self._cut_at = -math.inf  # monotonic seconds
        #: Whether this process can hold one, as far as is known.
        self.is_possible = is_wanted and redis_py.HAS_SOCKET

    def sees_others(self) -> bool:
        """Return whether cut lifelines of others mean that they have died.

        If its own was cut too, then Redis or the network has cut all, and some come back late.
        """
        if self._names and self.is_possible and not self._is_held:
            return False
        return time.monotonic() - self._cut_at > SUSPECT_FOR

    def hold(self, process: str) -> None:
        """Hold the lifeline of *process*, which is registered; also after Redis has lost data."""
        with self._changed:
            self._names |= {process}
            self._begin_anew()
            if self._thread is None and self.is_possible:
                self._thread = Duty("lifeline", self._run)
                self._thread.start()

    def release(self, process: str) -> None:
        """Let go of the lifeline of *process*, which has left the layer."""
        with self._changed:
            if process in self._names:
                self._names -= {process}
                self._begin_anew()

    def end(self) -> None:
        """Let go of all lifelines, until :meth:`hold`."""
        with self._changed:
            self._names = frozenset()
            self._begin_anew()

    def begin_in_child(self) -> Lifeline:
        """Return the lifeline of a forked child, which closes its copy of that of the parent."""
        if self._connection is not None and (held := redis_py.socket_of(self._connection)):
            held.close()
        return Lifeline(self.client, self.is_possible)

    def _begin_anew(self) -> None:
        self._changed.notify_all()
        if self._connection is not None and (held := redis_py.socket_of(self._connection)):
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)  # so the thread reads its end

    # The thread

    def _run(self) -> None:
        pause = PAUSE
        while self.is_possible and (names := self._next_names()):
            since = time.monotonic()
            try:
                self._hold(names)
            except redis.exceptions.NoPermissionError as error:
                extra = fields("rights_missing")
                logger.warning(REFUSED, self.client, error, extra=extra)
                self.is_possible = False
            except (*ERRORS, LayerUnavailable) as error:
                if names != self._names:  # so another one is needed, at once
                    continue
                logger.debug("No lifeline: %s", error)
                self._cut_at = time.monotonic()
                pause = PAUSE if time.monotonic() - since > LONGEST_PAUSE else pause
                has_told = self._give_up(names & self._names)
                pause = self._wait(pause, LONGEST_PAUSE if has_told else UNTOLD_PAUSE)
        while not (self.is_possible or self._give_up(self._names)):  # else it looks dead
            pause = self._wait(pause, UNTOLD_PAUSE)

    def _wait(self, pause: float, longest: float) -> float:
        """Wait until something changes, for *pause* seconds at most; return the next pause."""
        with self._changed:
            self._changed.wait(min(pause, longest))
        return min(2 * pause, LONGEST_PAUSE)

    def _next_names(self) -> frozenset[str]:
        with self._changed:
            if not self._names:
                self._thread = None
            return self._names

    def _hold(self, names: frozenset[str]) -> None:
        """Hold the lifelines of *names* until the connection ends."""
        with self._connected() as connection:
            run = self._ask_run(connection)
            if run is None:
                return
            with self._changed:
                if names != self._names:  # it has changed meanwhile
                    return
                self._connection = connection
            self._try(connection)
            self._subscribe(connection, names, run)
            self._is_held = True
            while True:
                _read(connection)  # nobody publishes: until its end

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Give a connection of its own, which ends with the block."""
        connection: Any = self.client.pool.make_connection()
        connection.connect()
        try:
            yield connection
        finally:
            with self._changed:
                self._connection, self._is_held = None, False
            connection.disconnect()

    def _ask_run(self, connection: Any) -> str | None:
        """Return the run id of the Redis behind *connection*; None if there is no lifeline."""
        if not self._is_direct(connection, _ask(connection, "CLIENT", "INFO")):
            return None
        try:
            return run_of(_ask(connection, *ASK_RUN))
        except redis.exceptions.NoPermissionError:  # the client has warned of it
            self.is_possible = False
            return None

    def _try(self, connection: Any) -> None:
        """Raise NoPermissionError if the user may not hold or see lifelines."""
        channel = self.client.key("lifeline:try")
        _ask(connection, "PUBSUB", "NUMSUB", channel)
        _ask(connection, "SUBSCRIBE", channel)
        _ask(connection, "UNSUBSCRIBE", channel)

    def _subscribe(self, connection: Any, names: frozenset[str], run: str) -> None:
        """Note in Redis the lifelines of *names*, and subscribe to their channels.

        Redis gets all of it at once: a process that stalled in between would look dead.
        """
        (load,) = load_scripts(["lifeline"], self.client.shards)
        _ask(connection, *load)
        known = self.client.prefix, "", None, self.client.shards
        notes = [Request("lifeline", [name, run]).command(*known) for name in names]
        channels = [self.client.key(f"lifeline:{name}") for name in sorted(names)]
        commands = [*notes, ("SUBSCRIBE", *channels)]
        connection.send_packed_command(connection.pack_commands(commands))
        for _ in (*notes, *channels):
            _read(connection)
        held = redis_py.socket_of(connection)
        if held is None:
            raise redis.exceptions.ConnectionError("The connection to Redis is down.")
        held.settimeout(None)

    def _is_direct(self, connection: Any, info: bytes) -> bool:
        held = redis_py.socket_of(connection)
        if held is None:
            raise redis.exceptions.ConnectionError("The connection to Redis is down.")
        if held.family == socket.AF_UNIX:
            return True
        own = _as_redis_writes(held.getsockname())
        found = _address(info)
        there = found[1].decode("ascii", "replace") if found else "unknown"
        if own == there:
            return True
        self.is_possible = False
        logger.info(INDIRECT, self.client, own, there, extra=fields("lifeline_indirect"))
        return False

    def _give_up(self, names: frozenset[str]) -> bool:
        """Say that *names* live without a lifeline; return whether Redis has heard it.

        A pooled connection may still be open while Redis takes no new ones.
        """
        try:
            for name in names:
                self.client.call(Request("lifeline", [name, ""]))
        except (*ERRORS, LayerUnavailable) as error:
            logger.debug("Redis does not know that there is no lifeline: %s", error)
            return False
        return True


def _ask(connection: Any, *words: Argument) -> Any:
    connection.send_command(*words)
    return _read(connection)


def _read(connection: Any) -> Any:
    return connection.read_response(disable_decoding=True)


def _as_redis_writes(address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
