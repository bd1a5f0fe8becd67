"""The puller of one shard: it applies there what steps on the other shards have logged.

Any process may run one for any shard; the one that has the claim works. Killed or frozen between
any two calls, it loses nothing and doubles nothing: the next one starts at the mark.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from channels_workers.backoff import Backoff
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.types import APPLIED_AT_ONCE, Log, Mark, Result
from channels_workers.layers.types import new_id

logger = logging.getLogger(__name__)

#: For how long a puller claims a shard (s). Each step renews it; then another one may take over.
CLAIMED = 5.0

#: How long a puller waits for entries, or for the claim of another one to end (s).
WAIT = 1.0


class Puller:
    """Pulls for the shard *destination*.

    Sources keep entries that it has applied for *keeps* seconds: a destination that loses its data
    needs them again, up to what its servers had read. *clock* returns seconds.
    """

    def __init__(
        self,
        shards: LayerShards,
        destination: str,
        keeps: float = CLAIMED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.destination = destination
        self.token = new_id()
        #: How many times anything came.
        self.pulled = 0
        self._shards = shards
        self._keeps = keeps
        self._clock = clock
        #: By source, the newest mark, and the marks that the source is to know of, since when.
        self._newest: dict[str, Mark] = {}
        self._marks: dict[str, deque[tuple[float, Mark]]] = {}

    def run(self, ended: threading.Event) -> None:
        """Pull until *ended* is set."""
        backoff = Backoff(logger, f"Pulling for shard {self.destination}", log_level=logging.DEBUG)
        while not ended.is_set():
            try:
                wait = 0.0 if self.step(WAIT) else WAIT
                backoff.succeeded()
            except Exception as error:  # noqa: BLE001  (it must go on)
                wait = backoff.failed(error)
            ended.wait(wait)
        self.end()

    def end(self) -> None:
        """Give the claim up."""
        try:
            self._shards.release(self.destination, self.token)
        except LayerUnavailable:
            logger.debug("The claim to shard %s ends by itself", self.destination)

    def step(self, timeout: float = 0.0) -> bool:
        """Pull once from each source; wait up to *timeout* seconds for one that has entries.

        Return False if another puller has the claim. Sources that do not answer are skipped. Raises
        :class:`LayerUnavailable` if the destination does not answer.
        """
        if not self._shards.claim(self.destination, self.token, CLAIMED):
            return False
        marks = self._shards.marks(self.destination)
        sources = [name for name in self._shards.names() if name != self.destination]
        has_pulled = [self.pull(source, marks.get(source)) for source in sources]
        if timeout and sources and not any(has_pulled):
            self._wait(sources, marks, timeout)
        return True

    def pull(self, source: str, mark: Mark | None) -> bool:
        """Pull from *source* once, after *mark*; return whether anything came."""
        log = self.read(source, mark)
        return log is not None and self.carry_out(source, mark, log)

    def read(self, source: str, mark: Mark | None) -> Log | None:
        """Return the next entries of *source*; None if it does not answer."""
        try:
            return self._shards.read_log(source, mark, APPLIED_AT_ONCE, 0)
        except LayerUnavailable as error:
            logger.debug("Shard %s does not answer: %s", source, error)
            return None

    def carry_out(self, source: str, mark: Mark | None, log: Log) -> bool:
        """Apply what was read after *mark*; return whether anything came of it."""
        after = mark.seq if mark is not None and mark.epoch == log.epoch else 0
        is_new = mark is None or mark.epoch != log.epoch
        call = self.destination, self.token, source
        if log.first > after + 1 or (is_new and not log.entries):
            done = self._shards.note_gap(*call, Mark(log.epoch, log.first - 1))
        elif log.entries:
            done = self._shards.apply(*call, log.epoch, log.entries)
        else:
            self._trim(source, mark)
            return False
        self._trim(source, done.mark)
        self.pulled += done.result is Result.APPLIED
        return done.result is Result.APPLIED

    def _trim(self, source: str, mark: Mark | None) -> None:
        """Tell *source* what this shard needs no more, some seconds after it was applied."""
        marks, now = self._marks.setdefault(source, deque()), self._clock()
        if mark is not None and self._newest.get(source) != mark:
            self._newest[source] = mark
            marks.append((now, mark))
        due = None
        while marks and marks[0][0] <= now - self._keeps:
            due = marks.popleft()[1]
        if due is not None:
            try:
                self._shards.trim(source, self.destination, due)
            except LayerUnavailable as error:
                logger.debug("Shard %s keeps its log: %s", source, error)

    def _wait(self, sources: list[str], marks: dict[str, Mark], timeout: float) -> None:
        for source in sources:
            try:
                self._shards.read_log(source, marks.get(source), 1, timeout / len(sources))
            except LayerUnavailable as error:
                logger.debug("Shard %s does not answer: %s", source, error)
