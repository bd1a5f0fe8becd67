"""What happens to a worker at an exact moment of a task, ordered by the sender of a message.

The engine does not know: all of this is done with signals of Django's tasks and ``on_commit``.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from django.db import transaction

from labs.faults.application.ledger import count_run


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _hold() -> None:
    time.sleep(120)


#: ``hold``: take long enough to be killed by somebody else.
DO = {"kill": _kill, "stop": _stop, "hold": _hold}


def get_into(order: dict[str, Any] | None, moment: str, task: str) -> None:
    """Do what *order* says if it says so for this *moment*, in the first run of *task*.

    ``begun``: the row says RUNNING, and the function has not run. ``inside``: at its end.
    ``ended``: the row has the result, and the layer has not committed.
    """
    if order is not None and order.get("when") == moment and count_run(f"{task} {moment}") == 1:
        DO[order["do"]]()


def kill_after_commit(order: dict[str, Any] | None, task: str) -> None:
    """Kill the process after the COMMIT of a task with ``@once``, if *order* says: ``committed``.

    Call it in the task. The process does not know of the COMMIT yet.
    """
    if order is None or order.get("when") != "committed" or count_run(f"{task} committed") > 1:
        return
    transaction.on_commit(_kill)


def may_block(order: dict[str, Any] | None) -> bool:
    """Whether *order* would block the thread that all coroutines of a worker share."""
    return order is not None and order.get("do") == "hold"


def kill_before_the_send(order: dict[str, Any] | None, message: str) -> None:
    """Kill the process after the COMMIT that stores a task, if *order* says so: ``unsent``.

    Call it before the task is enqueued, whose callback sends it.
    """
    if order is not None and order.get("when") == "unsent" and count_run(message) == 1:
        transaction.on_commit(_kill)
