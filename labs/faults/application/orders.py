"""Misbehaviour of consumers, ordered by the sender of a message."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from labs.faults.application.ledger import count_run
from labs.faults.application.settings import given

#: The pause between two looks for the file that releases those who hold (s).
PAUSE = 0.02


class Ordered(Exception):
    """The exception that a consumer raises on order."""


def obey(order: dict[str, Any] | None, message: str) -> None:
    """Carry out *order* in its first ``times`` runs of *message*.

    ``do`` is ``slow`` (for ``seconds``), ``hold`` (the same, or until a file ``released`` comes),
    ``raise``, ``exit`` (sys.exit) or ``kill`` (SIGKILL to its own process).
    """
    if order is None or count_run(message) > order.get("times", 1):
        return
    match order["do"]:
        case "later":  # by its consumer, in the run that is committed
            pass
        case "slow":
            time.sleep(order["seconds"])
        case "hold":
            _hold(order["seconds"])
        case "raise":
            raise Ordered("A consumer was told to raise.")
        case "exit":
            sys.exit("A consumer was told to end its process.")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case other:
            raise ValueError(
                f"No such order: {other!r}; slow, hold, raise, exit and kill are known."
            )


def _hold(seconds: float) -> None:
    released, end = Path(given["folder"]) / "released", time.monotonic() + seconds
    while not released.exists() and time.monotonic() < end:
        time.sleep(PAUSE)
