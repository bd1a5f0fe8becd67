"""Child processes with a clean environment and a log file each."""

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from labs.harness.ports import is_listening
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

START_TIMEOUT = 90.0
STOP_TIMEOUT = 90.0
KEPT_VARIABLES = (
    *("HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "FONTCONFIG_FILE"),
    "COVERAGE_PROCESS_CONFIG",  # set by scripts/coverage: measure children too
)


def clean_environment() -> dict[str, str]:
    """The environment of a child process, without settings of the caller."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    binaries = str(Path(sys.executable).parent)
    path = os.pathsep.join([binaries, os.environ.get("PATH", os.defpath)])
    return kept | {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


class Process:
    """One child process.

    It leads its own process group, so that its children can be killed with it. Both outputs go to
    `lines` and to the file `log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.name = name
        self.log = log
        self._lines: list[str] = []
        self._rest = b""
        self._changed = threading.Condition()
        self._popen = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=clean_environment() | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        while self._has_output(wait=True) and self._take():
            pass
        with self._changed:
            if self._rest:
                self._lines.append(self._rest.decode(errors="replace"))
            self._changed.notify_all()

    def _has_output(self, *, wait: bool = False) -> bool:
        """Whether there is something to read, the end included. Waits for it if *wait*."""
        assert self._popen.stdout is not None
        poll = select.poll()
        poll.register(self._popen.stdout, select.POLLIN)
        return bool(poll.poll(None if wait else 0))

    def _take(self) -> bool:
        """Read what the process has written. False at the end of its output."""
        assert self._popen.stdout is not None
        with self._changed:
            if not self._has_output():
                return True  # another thread has read it
            if not (data := os.read(self._popen.stdout.fileno(), 65_536)):
                return False
            with self.log.open("ab") as log:
                log.write(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._lines += [line.decode(errors="replace").rstrip("\r") for line in lines]
            self._changed.notify_all()
            return True

    @property
    def lines(self) -> list[str]:
        """All lines that the process has written so far."""
        with self._changed:
            assert self._popen.stdout is not None
            while not self._popen.stdout.closed and self._has_output() and self._take():
                pass
            return self._lines[:]

    @property
    def pid(self) -> int:
        """The process id, which is also its group id."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status. Negative for a signal, None while it runs."""
        return self._popen.poll()

    @property
    def is_running(self) -> bool:
        """Whether it still runs."""
        return self.returncode is None

    @property
    def is_frozen(self) -> bool:
        """Whether a signal has stopped all of its threads."""
        return self.is_running and self._thread_states() <= {"T"}

    @property
    def memory(self) -> int:
        """Its resident memory (KiB)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    @property
    def output(self) -> str:
        """All output so far."""
        return "\n".join(self.lines)

    def describe(self) -> str:
        """Name, state and output, for error messages."""
        state = "running" if self.is_running else f"ended with status {self.returncode}"
        return f"{self.name} ({state}) wrote:\n{self.output}"

    def wait_for_line(self, pattern: str, timeout: float = START_TIMEOUT) -> re.Match[str]:
        """Wait for a line that matches the regular expression. AssertionError after *timeout*."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            lines = self.lines
            for line in lines[seen:]:
                if found := re.search(pattern, line):
                    return found
            seen = len(lines)
            with self._changed:
                ended = not self._reader.is_alive()
                left = deadline - time.monotonic()
                if len(self._lines) == seen and (ended or left <= 0):
                    raise AssertionError(f"No line {pattern!r} came. {self.describe()}")
                if len(self._lines) == seen:
                    self._changed.wait(min(left, 0.5))

    def wait_until_listening(self, port: int, timeout: float = START_TIMEOUT) -> Self:
        """Wait until `port` accepts connections. AssertionError if the process exits first."""

        def listening() -> bool:
            if not self.is_running:
                self._reader.join(timeout=60)
                raise AssertionError(f"No start on port {port}. {self.describe()}")
            return is_listening(port)

        wait_for(listening, lambda: f"port {port}. {self.describe()}", timeout)
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to its group."""
        self._popen.send_signal(number)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze all of its threads, and resume them after the block."""
        self.freeze()
        try:
            yield
        finally:
            self.resume()

    def freeze(self) -> None:
        """Send SIGSTOP and wait until all threads have stopped, which takes a while under load."""
        self.signal(signal.SIGSTOP)
        wait_for(lambda: self.is_frozen, f"all threads of {self.name} to stop")

    def resume(self) -> None:
        """Resume a frozen process."""
        self.signal(signal.SIGCONT)

    def _thread_states(self) -> set[str]:
        """The states of its threads, as letters of proc(5): T is stopped by a signal."""
        states = set()
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with suppress(OSError):  # the thread has ended
                states.add(stat.read_text().rpartition(")")[2].split()[0])
        return states

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """Wait for the exit and return the status. AssertionError after `timeout` seconds."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self._tell_where_it_is()
            raise AssertionError(f"No end within {timeout:g} s. {self.describe()}") from None
        self._reader.join(timeout=60)
        return status

    def _tell_where_it_is(self) -> None:
        """Abort it, so that Python dumps all stacks."""
        self.signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(60)
        self._reader.join(timeout=60)

    def terminate(self, timeout: float = STOP_TIMEOUT) -> int:
        """Send SIGTERM, wait for the exit and return the status."""
        self._popen.terminate()
        return self.wait(timeout)

    def kill(self) -> None:
        """Kill it with all of its children. Does nothing after its exit."""
        if self.is_running:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
        self._reader.join(timeout=60)
        if self._popen.stdout is not None and not self._reader.is_alive():
            self._popen.stdout.close()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Stop it by SIGTERM, and by SIGKILL after *timeout*."""
        try:
            if self.is_running:
                self.terminate(timeout)
        finally:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class Processes:
    """Starts processes, and stops the running ones, youngest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Process] = []

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        name: str = "",
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> Process:
        """Start `command`; see `Process`."""
        name = name or Path(command[0]).name
        log = self.folder / f"{len(self.started)}-{name}.log"
        process = Process(name, command, log=log, env=env, cwd=cwd)
        self.started.append(process)
        return process

    def __iter__(self) -> Iterator[Process]:
        return iter(self.started)

    def stop(self) -> None:
        """Stop all. AssertionError names processes that had to be killed."""
        stubborn = []
        for process in reversed(self.started):
            try:
                process.stop()
            except AssertionError as error:
                stubborn.append(str(error))
        assert not stubborn, "\n\n".join(stubborn)

    def kill(self) -> None:
        """Kill all that still run."""
        for process in reversed(self.started):
            process.kill()

    def describe(self) -> str:
        """The output of each process."""
        return "\n\n".join(process.describe() for process in self.started)
