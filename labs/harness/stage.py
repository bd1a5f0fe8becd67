"""Collects notes and missed targets of one row of a table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from labs.harness.waiting import wait_for


class Row(Protocol):
    """A row: *failures* are missed targets, *notes* other observations."""

    notes: list[str]
    failures: list[str]


R = TypeVar("R", bound=Row)


class Stage(Generic[R]):
    """Fills in *row*."""

    row: R

    def note(self, fact: str) -> None:
        """Add an observation to the row."""
        self.row.notes.append(fact)

    def expect(self, fact: bool, what: str) -> None:
        """Add a missed target unless *fact* holds."""
        if not fact:
            self.row.failures.append(what)

    def expect_soon(self, fact: Callable[[], bool], what: Callable[[], str], wait: float) -> None:
        """Add a missed target unless *fact* becomes true within *wait* seconds."""
        try:
            wait_for(fact, what, wait)
        except AssertionError as missed:
            self.row.failures.append(str(missed))

    @staticmethod
    def hold(seconds: float) -> None:
        """Keep the current state for some seconds."""
        threading.Event().wait(seconds)
