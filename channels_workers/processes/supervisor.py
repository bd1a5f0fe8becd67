"""The parent: starts worker processes, replaces those that end, rolls new code, and stops all."""

from __future__ import annotations

import logging
import math
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from channels_workers.logs import fields
from channels_workers.processes.child import Child, described
from channels_workers.processes.signals import STOPPING, Signals, end_by
from channels_workers.processes.slots import ATTEMPTS, Slot

logger = logging.getLogger(__name__)

#: How long a process may take to become ready when it replaces another (s).
REPLACE_TIME = 60.0


def run(count: int, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run *command* in *count* processes until a signal comes; return the exit status."""
    with Signals() as signals:
        return Supervisor(count, command, environment, signals).run()


class Supervisor:
    """Keeps *count* processes of *command* running."""

    def __init__(
        self,
        count: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        signals: Signals,
    ) -> None:
        self.slots = [Slot(number) for number in range(1, count + 1)]
        self._command = command
        self._environment = environment
        self._signals = signals
        self._ready_told = False
        #: The places whose processes are yet to be replaced.
        self._old: deque[Slot] = deque()
        self._replacing: tuple[Slot, Child] | None = None
        self._replace_until = math.inf
        self._stopping: int | None = None  # the signal
        self._status = 0

    def run(self) -> int:
        """Run until all processes have ended, and return the exit status."""
        text = f"Starting {len(self.slots)} worker processes"
        say(logging.INFO, text, fields("processes_start"))
        while not self._is_over():
            self._fill()
            self._wait()
            for number in self._signals.read():
                self._take_signal(number)
            self._look()
            self._replace()
        return self._status

    def _is_over(self) -> bool:
        if any(slot.children for slot in self.slots):
            return False
        if self._stopping is not None:
            say(logging.INFO, "All worker processes have stopped", fields("processes_stopped"))
            return True
        if all(slot.failed_starts >= ATTEMPTS for slot in self.slots):
            text = "No worker process can start, so this command ends"
            say(logging.CRITICAL, text, fields("processes_failed"))
            self._status = 1
            return True
        return False

    # Starting, and waiting for news

    def _fill(self) -> None:
        """Start the processes that are missing."""
        if self._stopping is not None:
            return
        for slot in self.slots:
            if slot.child is None and slot.start_at <= time.monotonic():
                try:
                    slot.child = self._start(slot)
                except OSError as error:
                    pause = slot.note_failed_start()
                    text = f"{slot} cannot start: {error}. Trying again in {pause:g} s"
                    say(logging.ERROR, text, fields("process_ended"))

    def _start(self, slot: Slot) -> Child:
        return Child.start(self._command, self._environment, slot.number, len(self.slots))

    def _wait(self) -> None:
        """Wait for a signal, a word of a process, or the next thing to do."""
        poll = select.poll()
        poll.register(self._signals.reader, select.POLLIN)
        for _, child in self._children():
            if child.link is not None:
                poll.register(child.link, select.POLLIN)
        due = min(self._times())
        poll.poll(None if due == math.inf else max(0.0, due - time.monotonic()) * 1000)

    def _times(self) -> Iterator[float]:
        yield self._replace_until if self._replacing else math.inf
        for slot in self.slots:
            if slot.child is None and self._stopping is None:
                yield slot.start_at
            for child in slot.children:
                yield child.kill_at

    def _children(self) -> list[tuple[Slot, Child]]:
        return [(slot, child) for slot in self.slots for child in slot.children]

    # Signals

    def _take_signal(self, number: int) -> None:
        if number == signal.SIGHUP and not self._signals.has_lost_terminal():
            self._begin_replacing()
        elif number == signal.SIGHUP or (number in STOPPING and self._stopping is None):
            self._stop(number)
        elif number in STOPPING:
            for _, child in self._children():
                child.kill()
            end_by(number)

    def _stop(self, number: int) -> None:
        text = "Stopping: the worker processes finish running consumers first"
        say(logging.INFO, text, fields("processes_stop"))
        self._stopping = number
        self._old.clear()
        self._replacing = None
        for _, child in self._children():
            child.stop()

    # What the processes do

    def _look(self) -> None:
        for slot, child in self._children():
            was_ready = child.is_ready
            child.listen()
            if child.is_ready and not was_ready:
                slot.note_ready()
            if child.has_changed:
                child.has_changed = False
                self._begin_replacing()
            if (status := child.status) is not None:
                self._end(slot, child, status)
            elif child.kill_at <= time.monotonic():
                text = f"{child} does not end, so it is killed"
                say(logging.ERROR, text, fields("process_killed"))
                child.kill()
                child.kill_at = time.monotonic() + 60
        self._tell_ready()

    def _tell_ready(self) -> None:
        children = [slot.child for slot in self.slots]
        if not self._ready_told and all(child and child.is_ready for child in children):
            self._ready_told = True
            say(
                logging.INFO,
                f"All {len(children)} worker processes are ready",
                fields("processes_ready"),
            )

    def _end(self, slot: Slot, child: Child, status: int) -> None:
        child.close()
        if child is slot.successor:
            slot.successor = None
            self._give_up(f"{child} {described(status)} before it was ready")
            return
        slot.child, slot.successor = slot.successor, None
        text = f"{child} {described(status)}"
        if self._stopping is not None:
            self._note_stopped(child, status, text)
        elif child.is_stopping or slot.child is not None:
            say(logging.INFO if status == 0 else logging.ERROR, text, fields("process_ended"))
        else:
            pause = slot.note_end(child)
            when = f" in {pause:g} s" if pause else ""
            say(logging.ERROR, f"{text}. Starting another{when}", fields("process_ended"))
            if self._replacing and self._replacing[1] is child:
                self._give_up(f"{text} before it was ready")

    def _note_stopped(self, child: Child, status: int, text: str) -> None:
        if status != 0 and (child.was_ready or status != -signal.SIGTERM):
            self._status = 1
            say(logging.ERROR, text, fields("process_ended"))

    # New code

    def _begin_replacing(self) -> None:
        if self._stopping is not None:
            return
        text = "Replacing the worker processes, one after the other"
        say(logging.INFO, text, fields("processes_replace"))
        self._old = deque(self.slots)

    def _replace(self) -> None:
        """Go on with replacing the processes."""
        if self._replacing is None:
            self._replace_next()
            return
        slot, new = self._replacing
        if new.is_ready and slot.child is new:
            self._replacing = None
            if not self._old:
                say(logging.INFO, "All worker processes are replaced", fields("processes_replaced"))
            self._replace_next()
        elif new.is_ready and slot.child is not None:
            slot.child.stop()
        elif self._replace_until <= time.monotonic():
            text = f"{new} is not ready after {REPLACE_TIME:g} s, so it is killed"
            say(logging.ERROR, text, fields("process_killed"))
            new.kill()
            self._replace_until = math.inf

    def _replace_next(self) -> None:
        if not self._old:
            return
        slot = self._old.popleft()
        try:
            new = self._start(slot)
        except OSError as error:
            self._give_up(f"{slot} cannot start: {error}")
            return
        if slot.child is None:
            slot.child = new
        else:
            slot.successor = new
        self._replacing = slot, new
        self._replace_until = time.monotonic() + REPLACE_TIME

    def _give_up(self, why: str) -> None:
        """Leave the old processes in place."""
        self._replacing = None
        self._old.clear()
        if self._stopping is None:
            text = f"{why}. Those that are not replaced run the old code"
            say(logging.ERROR, text, fields("replace_failed"))


def say(level: int, text: str, extra: Mapping[str, str | int]) -> None:
    """Log *text*, or print it if the log does not show this level."""
    if logger.isEnabledFor(level) and logger.hasHandlers():
        logger.log(level, text, extra=extra)
    else:
        sys.stdout.write(f"{text}\n")  # one write: the lines of processes do not mix
        sys.stdout.flush()
