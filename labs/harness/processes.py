"""Child processes: their own environment, their own log, ended by their own handle."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from labs.harness.ports import is_listening
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

START_TIMEOUT = 30.0
STOP_TIMEOUT = 35.0
KEPT_VARIABLES = (
    *("HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "FONTCONFIG_FILE"),
    "COVERAGE_PROCESS_CONFIG",  # set by scripts/coverage: measure children too
)


def clean_environment() -> dict[str, str]:
    """The environment of a child: no setting of the person who runs the tests gets into it."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    binaries = str(Path(sys.executable).parent)
    path = os.pathsep.join([binaries, os.environ.get("PATH", os.defpath)])
    return kept | {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


class Process:
    """One child process.

    It is the leader of its own process group, so that what it started goes with it. Lines of both
    its outputs are kept in `lines` and written to `log`.
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
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._popen = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=clean_environment() | dict(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self.log.open("a") as log:
            for line in self._popen.stdout:
                log.write(line)
                log.flush()
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        """The id of the process, which is that of its group too."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status; negative for a signal; None while it runs."""
        return self._popen.poll()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.returncode is None

    @property
    def memory(self) -> int:
        """How much memory it has in use (KiB)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    @property
    def output(self) -> str:
        """All that it has written so far."""
        with self._changed:
            return "\n".join(self.lines)

    def describe(self) -> str:
        """Its name, its state and what it wrote: for the message of a failed test."""
        state = "running" if self.is_running else f"ended with status {self.returncode}"
        return f"{self.name} ({state}) wrote:\n{self.output}"

    def wait_for_line(self, pattern: str, timeout: float = START_TIMEOUT) -> re.Match[str]:
        """Wait until a line matches the regular expression; AssertionError if it does not come."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            with self._changed:
                new, seen = self.lines[seen:], len(self.lines)
            for line in new:
                if found := re.search(pattern, line):
                    return found
            with self._changed:
                ended = not self._reader.is_alive()
                left = deadline - time.monotonic()
                if len(self.lines) == seen and (ended or left <= 0):
                    raise AssertionError(f"No line {pattern!r} came. {self.describe()}")
                if len(self.lines) == seen:
                    self._changed.wait(min(left, 0.5))

    def wait_until_listening(self, port: int, timeout: float = START_TIMEOUT) -> Self:
        """Wait until `port` takes connections; AssertionError if the process ends before."""

        def listening() -> bool:
            if not self.is_running:
                self._reader.join(timeout=5)
                raise AssertionError(f"No start on port {port}. {self.describe()}")
            return is_listening(port)

        wait_for(listening, lambda: f"port {port}. {self.describe()}", timeout)
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, not to its group."""
        self._popen.send_signal(number)

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """Wait for its end; its exit status. AssertionError if it goes on for `timeout` seconds."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self._tell_where_it_is()
            raise AssertionError(f"No end within {timeout:g} s. {self.describe()}") from None
        self._reader.join(timeout=5)
        return status

    def _tell_where_it_is(self) -> None:
        """End it in a way that lets Python write what each thread was doing."""
        self.signal(signal.SIGABRT)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(5)
        self._reader.join(timeout=5)

    def terminate(self, timeout: float = STOP_TIMEOUT) -> int:
        """Send SIGTERM and wait for the end; the exit status."""
        self._popen.terminate()
        return self.wait(timeout)

    def kill(self) -> None:
        """End it and all that it started, at once. Does nothing when it has ended."""
        if self.is_running:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
        self._reader.join(timeout=5)
        if self._popen.stdout is not None and not self._reader.is_alive():
            self._popen.stdout.close()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """End it for good: in order if it does so in time, by force if not."""
        try:
            if self.is_running:
                self.terminate(timeout)
        finally:
            self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Processes:
    """Starts processes, and ends those that are left, the youngest first."""

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
        """End what still runs; those that do not end in order are named in an AssertionError."""
        stubborn = []
        for process in reversed(self.started):
            try:
                process.stop()
            except AssertionError as error:
                stubborn.append(str(error))
        assert not stubborn, "\n\n".join(stubborn)

    def kill(self) -> None:
        """End what still runs at once."""
        for process in reversed(self.started):
            process.kill()

    def describe(self) -> str:
        """What each of them wrote."""
        return "\n\n".join(process.describe() for process in self.started)
