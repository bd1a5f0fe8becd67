"""Consumers for tests, and functions that run one message or a worker group."""

import threading
from collections.abc import Callable
from typing import Any

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import Committed, Delivery, Finished
from channels_workers.routing import Router
from channels_workers.worker.commit import finish
from channels_workers.worker.dispatch import dispatch
from channels_workers.worker.group import WorkerGroup

TIMEOUT = 60.0

Consumer = Callable[..., Any]
StartGroup = Callable[..., WorkerGroup]


class Blocked:
    """A consumer that blocks until it is released."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, message: Any) -> None:
        message.reply_channel and message.reply_channel.send({"text": "done"})
        self.begun.set()
        assert self.let_go.wait(TIMEOUT)


class Counted:
    """A consumer that records its messages."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.got_one = threading.Event()

    def __call__(self, message: Any) -> None:
        self.messages.append(message)
        self.got_one.set()


def not_called(coroutine: Any) -> None:
    raise AssertionError(f"{coroutine} was not expected")


def run_and_finish(delivery: Delivery, layer: WorkerLayer, router: Router) -> Committed:
    outcome = dispatch(delivery, layer, router, not_called)
    return finish(Finished(delivery, outcome.operations, outcome.session), layer)


def stop(group: WorkerGroup) -> None:
    group.stop()
    assert group.join(TIMEOUT)
