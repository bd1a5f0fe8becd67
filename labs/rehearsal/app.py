"""An app on the platform: its releases, its config vars, its dynos."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.site import WORKER_READY
from labs.rehearsal.slug import Slug

#: SIGKILL follows SIGTERM after this time. A web dyno must listen within this time of its start
#: (s).
GRACE, BOOT = 30.0, 60.0


@dataclass
class Dyno:
    """A process of an app. *kind* is the process type, *told* the time of SIGTERM."""

    kind: str
    number: int
    process: Process
    port: int
    told: float = 0.0

    def wait_until_up(self) -> None:
        """Wait until it is ready."""
        if self.kind == "web":
            self.process.wait_until_listening(self.port, BOOT)
        else:
            self.process.wait_for_line(WORKER_READY, BOOT)

    def tell_to_stop(self) -> None:
        """Send SIGTERM to all of its processes, as the platform does."""
        self.told = time.monotonic()
        os.killpg(self.process.pid, signal.SIGTERM)


@dataclass(frozen=True)
class Release:
    """What runs: files and config vars."""

    slug: Slug
    config: Mapping[str, str]


@dataclass
class App:
    """*switch* gets the ports of the web dynos whenever they change.

    *killed* counts dynos that had to be killed, *slowest* is the longest shutdown (s).
    """

    name: str
    processes: Processes
    config: dict[str, str]
    switch: Callable[[list[int]], None]
    releases: list[Release] = field(default_factory=list)
    dynos: dict[str, list[Dyno]] = field(default_factory=lambda: defaultdict(list))
    killed: int = 0
    slowest: float = 0.0

    def environment(self, dyno: str, config: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a dyno of this name."""
        release = self.releases[-1] if self.releases else None
        variables = config if config is not None else release.config if release else self.config
        return {
            **variables,
            "DYNO": dyno,
            "WEB_CONCURRENCY": "2",
            "PYTHONUNBUFFERED": "true",
            "LANG": "C.UTF-8",
        }

    def run(self, command: str, slug: Slug, config: Mapping[str, str], dyno: str) -> str:
        """Run a command in a separate dyno and return its output. AssertionError if it fails."""
        env = {**self.environment(dyno, config), "PATH": slug.path, "PORT": str(free_port())}
        shell = ["/bin/bash", "-c", command]
        process = self.processes(shell, name=f"{self.name}.{dyno}", env=env, cwd=slug.folder)
        if process.wait(timeout=300):
            raise AssertionError(process.describe())
        return process.output

    def build(self, slug: Slug, *without: str) -> str:
        """Collect static files as the buildpack does, without some config vars."""
        config = {name: value for name, value in self.config.items() if name not in without}
        return self.run("python manage.py collectstatic --noinput", slug, config, "")

    def release(self, slug: Slug) -> str:
        """Run the release command, then restart all dynos. Returns the command's output."""
        config = dict(self.config)
        said = self.run(slug.procfile["release"], slug, config, f"release.{len(self.releases)}")
        self.releases.append(Release(slug, config))
        self._replace([dyno for kind in ("web", "worker") for dyno in self.dynos[kind]])
        return said

    def deploy(self, slug: Slug) -> str:
        """Build, and release the result."""
        self.build(slug)
        return self.release(slug)

    def set_config(self, **changes: str) -> str:
        """Change config vars, which releases the same files again."""
        self.config.update(changes)
        return self.release(self.releases[-1].slug)

    def roll_back(self) -> str:
        """Release again what was released before the last release."""
        former = self.releases[-2]
        self.config = dict(former.config)
        return self.release(former.slug)

    def scale(self, kind: str, count: int, *, wait: bool = True) -> None:
        """Start or stop dynos until there are *count*. The highest numbers stop first.

        Returns when all are up, or at once unless *wait* is set.
        """
        dynos = self.dynos[kind]
        while len(dynos) < count:
            dynos.append(self._start(kind, len(dynos) + 1))
        leaving = dynos[count:]
        del dynos[count:]
        if kind == "web":
            self._lead()
        self._end(leaving)
        for dyno in dynos if wait else ():
            dyno.wait_until_up()
        if kind == "web":
            self._lead()

    def restart(self, kind: str, number: int = 1) -> None:
        """Restart one dyno. The new one starts elsewhere while the old one stops."""
        self._replace([self.dynos[kind][number - 1]])

    def _start(self, kind: str, number: int) -> Dyno:
        release, port = self.releases[-1], free_port()
        name = f"{kind}.{number}"
        env = {**self.environment(name), "PATH": release.slug.path, "PORT": str(port)}
        shell = ["/bin/bash", "-c", release.slug.procfile[kind]]
        named = f"{self.name}.{name}"
        process = self.processes(shell, name=named, env=env, cwd=release.slug.folder)
        return Dyno(kind, number, process, port)

    def _replace(self, leaving: list[Dyno]) -> None:
        """Start new dynos in place of others while those stop."""
        for old in leaving:
            old.tell_to_stop()
        for old in leaving:
            self.dynos[old.kind][old.number - 1] = self._start(old.kind, old.number)
        for old in leaving:
            self.dynos[old.kind][old.number - 1].wait_until_up()
            if old.kind == "web":
                self._lead()
        for old in leaving:
            self._wait_for_end(old)

    def _end(self, leaving: list[Dyno]) -> None:
        for dyno in leaving:
            dyno.tell_to_stop()
        for dyno in leaving:
            self._wait_for_end(dyno)

    def _wait_for_end(self, dyno: Dyno) -> None:
        """Wait as long as the platform does, then kill it."""
        left = dyno.told + GRACE - time.monotonic()
        try:
            dyno.process.wait(max(0.1, left))
        except AssertionError:
            dyno.process.kill()
            self.killed += 1
        self.slowest = max(self.slowest, time.monotonic() - dyno.told)

    def _lead(self) -> None:
        self.switch([dyno.port for dyno in self.dynos["web"]])
