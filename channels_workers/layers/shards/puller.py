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
from functools import partial

from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.types import APPLIED_AT_ONCE, Applied, Log, Mark, Result
from channels_workers.layers.types import new_id

logger = logging.getLogger(__name__)

#: For how long a puller claims a shard (s), and how often it renews the claim.
CLAIMED, RENEWED = 5.0, 1.0

#: How long it waits for entries of a source in one call, and after an error at most (s).
WAIT, LONGEST_PAUSE = 1.0, 1.0

#: How long it waits after a step that has done nothing, as another one was faster (s).
RETRIED = 0.1


class Puller:
    """Pulls for the shard *destination*.

    Sources keep entries that it has applied for *keeps* seconds: a destination that loses its data
    needs them again, up to what its servers had read. *clock* returns seconds.

    It gets a new token from *make_token* when it has lost its claim, or does not know what became
    of a request: what it had read before that, and perhaps applies much later, must not count.
    """

    def __init__(
        self,
        shards: LayerShards,
        destination: str,
        keeps: float = CLAIMED,
        clock: Callable[[], float] = time.monotonic,
        make_token: Callable[[], str] = new_id,
    ) -> None:
        self.destination = destination
        self.token = make_token()
        #: How many times anything came.
        self.pulled = 0
        self._shards = shards
        self._keeps = keeps
        self._clock = clock
        self._make_token = make_token
        self._has_claim = self._has_doubt = False
        #: By source, the newest mark, and the marks that the source is to know of, since when.
        self._newest: dict[str, Mark] = {}
        self._marks: dict[str, deque[tuple[float, Mark]]] = {}

    @property
    def sources(self) -> list[str]:
        """The shards from which it pulls."""
        return [name for name in self._shards.names() if name != self.destination]

    # As a duty of a process

    def run(self, ended: threading.Event) -> None:
        """Pull until *ended* is set; a thread for each source waits for its entries."""
        threads = [
            Duty(f"puller from {source} to {self.destination}", partial(self._run, ended, source))
            for source in self.sources
        ]
        for thread in threads:
            thread.start()
        self._repeat(ended, "its claim", self._renew)
        for thread in threads:
            thread.join()
        self.end()

    def _renew(self) -> float:
        """Claim the shard, or renew the claim; return when to do it again (s)."""
        self._has_claim = self.claim()
        return RENEWED

    def claim(self) -> bool:
        """Claim the shard, or renew the claim; return False if that is not possible now."""
        if self._has_doubt:
            self._shards.release(self.destination, self.token)
            self.token, self._has_doubt = self._make_token(), False
        has_claim = self._shards.claim(self.destination, self.token, CLAIMED)
        if not has_claim:
            self.token = self._make_token()
        return has_claim

    def doubt(self) -> None:
        """Take another token before the next step: a request with this one may still arrive.

        It may bring an epoch of a source that is over, which nobody there could tell.
        """
        self._has_claim, self._has_doubt = False, True

    def _run(self, ended: threading.Event, source: str) -> None:
        self._repeat(ended, f"shard {source}", SourceLoop(self, self._shards, source).pull)

    def _repeat(self, ended: threading.Event, what: str, call: Callable[[], float]) -> None:
        """Make *call* until *ended* is set; it returns how long to wait before the next one (s)."""
        name = f"Pulling for shard {self.destination}, {what}"
        backoff = Backoff(logger, name, LONGEST_PAUSE, log_level=logging.DEBUG)
        while not ended.is_set():
            try:
                wait = call()
                backoff.succeeded()
            except Exception as error:  # noqa: BLE001  (it must go on)
                wait = backoff.failed(error)
            ended.wait(wait)

    @property
    def has_claim(self) -> bool:
        """Whether it has claimed its shard a moment ago."""
        return self._has_claim

    def end(self) -> None:
        """Give the claim up."""
        self._has_claim = False
        try:
            self._shards.release(self.destination, self.token)
        except LayerUnavailable as error:
            logger.debug("The claim to shard %s ends by itself: %s", self.destination, error)

    # One step

    def step(self) -> bool:
        """Pull once from each source, without waiting.

        Return False if another puller has the claim. Sources that do not answer are skipped. Raises
        :class:`LayerUnavailable` if the destination does not answer.
        """
        if not self.claim():
            return False
        token, marks = self.token, self._shards.marks(self.destination)
        for source in self.sources:
            mark = marks.get(source)
            if (log := self.read(source, mark)) is not None:
                self.carry_out(token, source, mark, log)
        return True

    def read(self, source: str, mark: Mark | None) -> Log | None:
        """Return the next entries of *source*; None if it does not answer."""
        try:
            return self._shards.read_log(source, mark, APPLIED_AT_ONCE, 0)
        except LayerUnavailable as error:
            logger.debug("Shard %s does not answer: %s", source, error)
            return None

    def carry_out(self, token: str, source: str, mark: Mark | None, log: Log) -> Applied | None:
        """Apply what was read after *mark* with the claim of *token*.

        Return what became of it, None if nothing was there.
        """
        after = mark.seq if mark is not None and mark.epoch == log.epoch else 0
        is_new = mark is None or mark.epoch != log.epoch
        if not (log.first > after + 1 or is_new or log.entries):
            self._trim(source, mark)
            return None
        call = self.destination, token, source
        try:
            if log.first > after + 1 or not log.entries:
                done = self._shards.note_gap(*call, Mark(log.epoch, log.first - 1))
            else:
                done = self._shards.apply(*call, log.epoch, log.entries)
        except Exception:
            self.doubt()
            raise
        self._trim(source, done.mark)
        self.pulled += done.result is Result.APPLIED
        return done

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


class SourceLoop:
    """Pulls from one source.

    It asks for the mark unless it has just raised it: a destination that has lost its data goes
    back to an older one, and only its mark tells that.
    """

    def __init__(self, puller: Puller, shards: LayerShards, source: str) -> None:
        self._puller = puller
        self._shards = shards
        self._source = source
        self._mark: Mark | None = None
        self._knows_mark = False

    def pull(self) -> float:
        """Wait for entries, and apply them; return how long to wait before the next call (s)."""
        puller, source, token = self._puller, self._source, self._puller.token
        if not puller.has_claim:
            self._knows_mark = False
            return RENEWED / 4
        if not self._knows_mark:
            self._mark = self._shards.marks(puller.destination).get(source)
        self._knows_mark = False
        log = self._shards.read_log(source, self._mark, APPLIED_AT_ONCE, WAIT)
        done = puller.carry_out(token, source, self._mark, log)
        if done is not None and done.result is not Result.APPLIED:
            return RETRIED
        if done is not None:
            self._mark, self._knows_mark = done.mark, True
        return 0.0
