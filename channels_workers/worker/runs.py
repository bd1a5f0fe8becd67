"""What the metrics tell of the run of a delivery."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from channels_workers import recorder
from channels_workers.exceptions import DenyConnection
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.clock import LayerClock
from channels_workers.layers.types import CONNECT, RESUME, Delivery
from channels_workers.logs import name_of
from channels_workers.middleware import RunCoroutine
from channels_workers.outbox import Rest, never_ended
from channels_workers.routing import Router
from channels_workers.transient import is_retried
from channels_workers.worker.dispatch import Outcome
from channels_workers.worker.event_loop import ConsumerTimedOut
from channels_workers.worker.retries import is_answered, is_last

if TYPE_CHECKING:
    from channels_workers.metrics.worker import WorkerInstruments

Dispatch = Callable[..., Outcome]

#: How runs end, as the label ``outcome`` says.
DONE, FAILED, RETRIED = "done", "failed", "retried"
TIMED_OUT, DEAD_LETTERED = "timed_out", "dead_lettered"

#: The consumer of a message that no consumer ran: it has no route, or is unreadable.
NO_CONSUMER = "none"


def recorded(dispatch: Dispatch, clock: LayerClock) -> Dispatch:
    """Return *dispatch*, so that it records each run if this process has metrics.

    *clock* is that of what has the deliveries.
    """
    found = recorder.instruments()
    if found is None:
        return dispatch
    instruments = found.worker

    def dispatch_and_record(
        delivery: Delivery,
        layer: WorkerLayer,
        router: Router,
        run_coroutine: RunCoroutine,
        rest: Rest = never_ended.wait,
    ) -> Outcome:
        outcome, began = None, time.monotonic()
        _note_begin(instruments, delivery, clock, began)
        try:
            outcome = dispatch(delivery, layer, router, run_coroutine, rest)
            return outcome
        finally:
            _note_end(instruments, delivery, outcome, time.monotonic() - began)

    return dispatch_and_record


def _note_begin(
    instruments: WorkerInstruments, delivery: Delivery, clock: LayerClock, now: float
) -> None:
    if (waited := clock.age(delivery.token, now)) is not None:
        instruments.waited(delivery.channel, waited)
    if delivery.deaths:
        instruments.handed_over(delivery.channel)


def _note_end(
    instruments: WorkerInstruments, delivery: Delivery, outcome: Outcome | None, seconds: float
) -> None:
    consumer = outcome.consumer if outcome else None
    name, ended = name_of(consumer) if consumer else NO_CONSUMER, outcome_of(delivery, outcome)
    instruments.ran(name, delivery.channel, ended, seconds)
    if ended == RETRIED and outcome is not None and is_retried(outcome.error):
        instruments.repeats(name)


def outcome_of(delivery: Delivery, outcome: Outcome | None) -> str:
    """Return how the run of *delivery* ended, as a value of the label ``outcome``."""
    if outcome is None:
        return FAILED
    if outcome.unreadable is not None:
        return DEAD_LETTERED
    if outcome.is_put_off:
        return _put_off(delivery, outcome.error)
    if isinstance(outcome.error, ConsumerTimedOut):
        return TIMED_OUT
    is_refused = isinstance(outcome.error, DenyConnection) and delivery.channel in (
        CONNECT,
        RESUME,
    )
    has_run = outcome.consumer is not None
    return DONE if has_run and (outcome.error is None or is_refused) else FAILED


def _put_off(delivery: Delivery, error: BaseException | None) -> str:
    """Return what becomes of *delivery*, which *error* has put off."""
    if not is_last(delivery, error):
        return RETRIED
    is_refused = is_retried(error) and is_answered(delivery.channel)
    return FAILED if is_refused else DEAD_LETTERED
