"""Where new sockets of this process go: its home shard, which may change while it runs."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from channels_workers.concurrency.threads import Duty
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: How long all shards together may take to answer (s), and how often a server asks them (s).
ANSWERED_WITHIN, INTERVAL = 1.0, 2.0


class Load(NamedTuple):
    """How many *connections* and *processes* a shard has, and whether it is open to new ones."""

    connections: int
    is_open: bool = True
    processes: int = 0


class Homes:
    """Chooses the home among the shards *names*; *ask* returns the load of one, and may block.

    A process with a server asks them every few seconds. Its home changes when it does not answer,
    when it is not open any more, and when another one has become open. *choose* is called with the
    new one, in a thread.
    """

    def __init__(
        self,
        names: Sequence[str],
        ask: Callable[[str], Load],
        choose: Callable[[str], object],
        interval: float = INTERVAL,
    ) -> None:
        self._names = tuple(names)
        self._ask = ask
        self._choose = choose
        self._interval = interval
        self._asked: set[str] = set()
        self._open: frozenset[str] = frozenset()  # at the last look
        self._home = ""
        self._lock = threading.Lock()
        self._ended: threading.Event | None = None

    def first(self) -> str:
        """Return the home to begin with: the open shard with the fewest connections.

        This waits a second at most. If no shard answers, it is any.
        """
        loads = self.loads()
        self._open = _open(loads)
        self._home = best(loads) or random.choice(self._names)  # noqa: S311  (no secret)
        return self._home

    def loads(self) -> dict[str, Load]:
        """Return the loads of the shards that answer within a second, all asked at once.

        A shard that still owes an answer to the last question is not asked again.
        """
        answers: queue.SimpleQueue[tuple[str, Load | None]] = queue.SimpleQueue()
        asked = [name for name in self._names if name not in self._asked]
        self._asked.update(asked)
        for name in asked:
            Duty(f"load of shard {name}", partial(self._ask_one, name, answers)).start()
        deadline, loads = time.monotonic() + ANSWERED_WITHIN, dict[str, Load]()
        for _ in asked:
            try:
                name, load = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if load is not None:
                loads[name] = load
        return loads

    def _ask_one(self, name: str, answers: queue.SimpleQueue[tuple[str, Load | None]]) -> None:
        load = None
        try:
            load = self._ask(name)
        except Exception as error:  # noqa: BLE001  (it is no home, whatever the reason)
            logger.debug("Shard %s does not tell its load: %s", name, described(error))
        finally:
            self._asked.discard(name)
            answers.put((name, load))

    # While the process has a server

    @property
    def is_kept(self) -> bool:
        """Whether a thread looks at the shards."""
        return self._ended is not None

    def keep(self) -> None:
        """Look at the shards every few seconds from now on, in a thread, until :meth:`end`."""
        if self._ended is not None:
            return
        with self._lock:
            if self._ended is None:
                self._ended = threading.Event()
                Duty("home shard", partial(self._keep, self._ended)).start()

    def end(self) -> None:
        """Look no more."""
        with self._lock:
            if self._ended is not None:
                self._ended.set()
                self._ended = None

    def _keep(self, ended: threading.Event) -> None:
        while not ended.wait(self._interval):
            self.look()

    def look(self) -> str:
        """Ask all shards, change the home if need be, and return it."""
        loads = self.loads()
        known, self._open = self._open, _open(loads)
        if loads and (reason := self._reason(loads, self._open - known)):
            home = best(loads) or self._home
            if home != self._home:
                extra = fields("home_changed")
                logger.info("New sockets go to shard %s now: %s", home, reason, extra=extra)
                self._home = home
                self._choose(home)
        return self._home

    def _reason(self, loads: Mapping[str, Load], opened: Collection[str]) -> str:
        """Return why the home is to be chosen anew, "" if it is not."""
        if self._home not in loads:
            return f"shard {self._home} does not answer"
        if not loads[self._home].is_open:
            return f"shard {self._home} is not open to new sockets"
        return f"open since a moment ago: {', '.join(sorted(opened))}" if opened else ""


def best(loads: Mapping[str, Load]) -> str | None:
    """Return the open shard with the fewest connections, any of several; None without answers.

    If none is open, it is one of those that answer.
    """
    candidates = _open(loads) or loads.keys()
    if not candidates:
        return None
    load = {name: (loads[name].connections, loads[name].processes) for name in candidates}
    equal = sorted(name for name in candidates if load[name] == min(load.values()))
    return random.choice(equal)  # noqa: S311  (no secret)


def _open(loads: Mapping[str, Load]) -> frozenset[str]:
    return frozenset(name for name, load in loads.items() if load.is_open)
