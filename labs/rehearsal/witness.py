"""A client that keeps talking on one socket and records which code answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from labs.harness.server import Person
from labs.harness.waiting import wait_for
from labs.rehearsal.guest import Guest
from labs.rehearsal.router import Router

#: The interval of its messages (s).
PAUSE = 0.1


@dataclass
class Witness:
    """*frames* are the echoes in order, *said* counts messages."""

    person: Person
    said: int = 0
    frames: list[dict[str, Any]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def talk(self) -> None:
        """Send numbers until told to stop, then receive the rest."""
        while not self._ended.wait(PAUSE):
            self.person.say(str(self.said), handle="witness")
            self.said += 1
            self.frames.append(self.person.hear(timeout=300))

    def end(self) -> None:
        """Stop talking."""
        self._ended.set()

    @property
    def is_in_order(self) -> bool:
        """Whether each message came back, once and in order."""
        return [frame["message"] for frame in self.frames] == [str(n) for n in range(self.said)]

    def wait_for_code(self, mark: str, present: bool) -> None:
        """Wait until the newest frame comes from code with *mark*, or from code without it."""
        wait_for(
            lambda: bool(self.frames) and (mark in self.frames[-1]) is present,
            lambda: f"a frame {'with' if present else 'without'} {mark}; {self.frames[-1:]}",
            300,
        )


@contextmanager
def witness(router: Router, room: str) -> Iterator[Witness]:
    """Let a witness talk during the block."""
    with Guest(router).join(room) as person:
        found = Witness(person)
        thread = threading.Thread(target=found.talk, name="witness", daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.end()
            thread.join(timeout=300)
