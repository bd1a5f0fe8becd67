"""Starts a crowd as a process and controls it through a Unix socket."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript
from labs.harness.processes import Processes
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

#: Time-out for all handshakes together (s).
JOIN_TIMEOUT = 60.0

#: Calm: during the first time (s) no message has waited longer than the second (s).
CALM_FOR, CALM_AGE = 2.0, 1.0


@dataclass(frozen=True)
class Status:
    """Numbers of clients. *age* (s) is that of the oldest message without an echo."""

    joined: int
    lost: int
    away: int
    age: float

    @property
    def is_calm(self) -> bool:
        """Whether all reconnecting clients are connected, and no message waits for its echo."""
        return self.away == 0 and self.age < CALM_AGE


class Traffic:
    """Starts a crowd for *plan* as one of the *processes*. Its files go to *folder*."""

    def __init__(self, folder: Path, processes: Processes, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self.count = plan.rooms * plan.each
        address = self.folder / "load.socket"
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "labs.harness.crowd",
            plan.dump(),
            address,
            self._transcript,
        ]
        self.process = processes(command, name="load", cwd=ROOT)
        self.process.wait_for_line("The load listens")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(address))
        self._answers = self._socket.makefile("r")

    @property
    def _transcript(self) -> Path:
        return self.folder / "transcript.json"

    def __enter__(self) -> Self:
        """Wait for all handshakes, then let everybody talk."""
        wait_for(self._all_joined, self._describe, JOIN_TIMEOUT)
        self._tell({"do": "talk"})
        return self

    def __exit__(self, *error: object) -> None:
        self._answers.close()
        self._socket.close()

    def _all_joined(self) -> bool:
        return self.status().joined == self.count

    def _describe(self) -> str:
        return f"{self.count} people in their rooms; there are {self.status()}"

    def _tell(self, command: Mapping[str, Any]) -> Status:
        self._socket.sendall(json.dumps(command).encode() + b"\n")
        return Status(**json.loads(self._answers.readline()))

    def status(self) -> Status:
        """Return the current status."""
        return self._tell({"do": "status"})

    def order(self, person: str, **order: Any) -> None:
        """Attach an order for the application to the next message of *person*."""
        self._tell({"do": "order", "person": person, "order": order})

    def wait_until_calm(self, timeout: float) -> bool:
        """Wait until all is calm. Return whether it is."""
        deadline = time.monotonic() + timeout
        calm_since = time.monotonic()

        def is_calm() -> bool:
            nonlocal calm_since
            now = time.monotonic()
            if not self.status().is_calm:
                calm_since = now
            return now - calm_since >= CALM_FOR or now > deadline

        wait_for(is_calm, "calm", timeout + 60)
        return time.monotonic() - calm_since >= CALM_FOR

    def fall_silent(self, timeout: float) -> bool:
        """Stop all talking and wait for all echoes. Return whether they came."""
        self._tell({"do": "quiet"})
        deadline = time.monotonic() + timeout
        wait_for(lambda: self.status().age == 0 or time.monotonic() > deadline, "", timeout + 60)
        return self.status().age == 0

    def leave(self) -> Transcript:
        """Close all sockets and return the transcript."""
        self._tell({"do": "leave"})
        self.process.wait()
        return Transcript.read(self._transcript)
