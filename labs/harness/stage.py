"""Where something is done and judged: what was seen of it, and which targets were missed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from labs.harness.waiting import wait_for


class Row(Protocol):
    """What a stage fills in: *failures* are targets that were missed, *notes* all else."""

    notes: list[str]
    failures: list[str]


R = TypeVar("R", bound=Row)


class Stage(Generic[R]):
    """*row* is that of what is being done."""

    row: R

    def note(self, fact: str) -> None:
        """Add a fact to the row."""
        self.row.notes.append(fact)

    def expect(self, fact: bool, what: str) -> None:
        """Note a target that was missed, unless *fact*."""
        if not fact:
            self.row.failures.append(what)

    def expect_soon(self, fact: Callable[[], bool], what: Callable[[], str], wait: float) -> None:
        """Note a target that was missed, unless *fact* comes true within some seconds."""
        try:
            wait_for(fact, what, wait)
        except AssertionError as missed:
            self.row.failures.append(str(missed))

    @staticmethod
    def last(seconds: float) -> None:
        """Let a state last."""
        threading.Event().wait(seconds)
