"""A worker thread of a process with several lanes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from channels_workers.context import current_sitting
from channels_workers.layers.types import Delivery, runs_once
from channels_workers.worker.dispatch import Outcome
from channels_workers.worker.in_flight import PREFETCH_LEASE, Slot
from channels_workers.worker.seats import Seats, Sitting
from channels_workers.worker.thread import Worker

#: How long a lane whose shard does not answer waits before it looks again (s).
DOUBT = 0.1


class SeatedWorker(Worker):
    """Pulls without a seat, and takes one to run a message.

    A commit holds no seat, and neither does a consumer while it waits for a shard that is away. If
    there is no seat in time, what was pulled goes to other processes, and this thread pulls no more
    until it has one.
    """

    def __init__(self, seats: Seats, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._seats = seats
        self._has_seat = self._lacks_seat = False
        self._take_up = self._keep
        self._run, self._dispatch = self._dispatch, self._dispatch_seated

    def _keep(self, found: Sequence[Delivery], count: int, slot: Slot) -> None:
        """Keep what was pulled until there is a seat, or until other processes are to have it.

        They get it behind others of its channel. So what is to keep its place there stays.
        """
        keeps_order, backlog = self._job.keeps_order, self._in_flight.backlog
        for delivery in found:
            stays = keeps_order and not delivery.reply_channel
            backlog.add([delivery], math.inf if stays else PREFETCH_LEASE)

    def _next(self) -> Delivery | None:
        batch, in_flight = self.batch, self._in_flight
        if not self._identity.known.is_set():
            self._wait_until_known()
            return None
        if batch.finished and time.monotonic() > batch.due:
            batch.commit()
        waits = in_flight.backlog.waiting or in_flight.quarantined.waiting
        if not (waits or self._lacks_seat):
            return self._pull()
        if not self._take_seat():
            return None
        if (delivery := in_flight.next(self.slot)) is None:
            self._leave_seat()
            return self._pull()
        return delivery

    def _take_seat(self) -> bool:
        """Take a seat if there is one in time, and if the shard answers."""
        self._lacks_seat = True
        if not self._identity.is_surely_alive:  # a consumer that asks the shard would keep the seat
            self._in_flight.crowded.set()
            self.stopping.wait(DOUBT)
            return False
        self._has_seat = self._seats.take(PREFETCH_LEASE)
        self._lacks_seat = not self._has_seat
        if self._lacks_seat:
            self._in_flight.crowded.set()
        return self._has_seat

    def _leave_seat(self) -> None:
        if self._has_seat:
            self._has_seat = False
            self._seats.give_back()

    def _handle(self, delivery: Delivery) -> None:
        try:
            super()._handle(delivery)
        finally:
            self._leave_seat()

    def _begin_quarantine(self, delivery: Delivery) -> bool:
        self._leave_seat()
        return super()._begin_quarantine(delivery)

    def _dispatch_request(self, delivery: Delivery, *arguments: Any) -> Outcome:
        if runs_once(delivery) and not self._identity.surely_holds(delivery.consumer):
            self._leave_seat()  # it first waits for the shard
        return super()._dispatch_request(delivery, *arguments)

    def _dispatch_seated(self, *arguments: Any) -> Outcome:
        if not self._has_seat:
            self._seats.take(math.inf)
        self._has_seat = False  # the sitting has it
        sitting = Sitting(self._seats)
        token = current_sitting.set(sitting)
        try:
            return self._run(*arguments)
        finally:
            current_sitting.reset(token)
            sitting.end()
