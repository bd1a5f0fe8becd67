"""Liveness and readiness probes over HTTP.

The interface server answers them before Django sees the request. Probes use plain HTTP and an
address as the host, which ALLOWED_HOSTS and a redirect to HTTPS would refuse.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import ClassVar, Protocol

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from channels_workers.concurrency.futures import call_in, settle
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration
from channels_workers.exceptions import LayerRefused, LayerUnavailable
from channels_workers.interface.load import Load
from channels_workers.interface.probes import send_json
from channels_workers.interface.script_name import path_info, script_name
from channels_workers.interface.types import Application, Receive, Scope, Send
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.liveness import DEAD_AFTER, Sample
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: The result of each check by its name: ``ok`` or a description of the problem.
Checks = dict[str, str]

OK = "ok"

#: For how long a result is cached (s).
SHARED_FOR = 1.0

#: How long a check may take before the answer is given without it (s). It goes on, and no other
#: starts meanwhile, until it is abandoned (s): it may wait on a half-open connection.
TIMEOUT, ABANDONED_AFTER = 2.0, 30.0

#: For how long an inbox may lag (s). A read blocks for up to 2 s when it is empty.
INBOX_STILL = 10.0

#: The result for a layer that does not answer.
SILENT = "does not answer"


class Health:
    """The pages of one interface server at ``HEALTH_PATH``, ``READY_PATH`` and ``LOAD_PATH``."""

    def __init__(self, layer: Callable[[], WorkerLayer], is_draining: Callable[[], bool]) -> None:
        self.is_draining = is_draining
        self._load = Load(layer)
        self._checks = (
            CachedCheck(LayerChecks(layer)),
            CachedCheck(DatabaseChecks()),
        )
        self._was_ready: bool | None = None

    def check_at(self, scope: Scope) -> Application | None:
        """Return the page at the path of *scope*, if there is one.

        Proxies send the prefix of the site, probers beside the server do not. Both get the page,
        even if the server puts its ``--root-path`` in front of a path that has it already.
        """
        prefix, limits = script_name(scope), configuration()
        path = path_info(path_info(scope["path"], prefix), prefix)
        if not path:
            return None
        pages: dict[str, Application] = {
            limits.LOAD_PATH: self._load.page,
            limits.READY_PATH: self.ready,
            limits.HEALTH_PATH: self.alive,
        }
        return pages.get(path)

    async def alive(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200: the process is alive."""
        await answer(scope, send, {"process": OK})

    async def ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer whether this server can serve sockets: 200 or 503."""
        checks = {"server": "draining" if self.is_draining() else OK}
        for found in await asyncio.gather(*(check.result() for check in self._checks)):
            checks |= found
        self._log(checks)
        await answer(scope, send, checks)

    def _log(self, checks: Checks) -> None:
        ready = is_fine(checks)
        if ready is not self._was_ready:
            wrong = ", ".join(f"{name}: {found}" for name, found in checks.items() if found != OK)
            level = logging.INFO if ready else logging.WARNING
            text = "This server is ready" if ready else f"Not ready: {wrong}"
            logger.log(level, text, extra=fields("ready" if ready else "not_ready"))
        self._was_ready = ready


class Check(Protocol):
    """Some checks that run together: their *names* and their results."""

    names: ClassVar[tuple[str, ...]]

    async def look(self) -> Checks:
        """Run the checks once; it raises nothing."""


class CachedCheck:
    """The result of *checks*, shared by concurrent probes; the checks run once at a time."""

    def __init__(self, checks: Check) -> None:
        self.checks = checks
        self._task: asyncio.Task[Checks] | None = None
        self._began = 0.0

    async def result(self) -> Checks:
        """Return a result of the last :data:`SHARED_FOR` seconds, or a new one."""
        now = time.monotonic()
        task = self._task
        if task is None or now - self._began > (SHARED_FOR if task.done() else ABANDONED_AFTER):
            self._began = now
            task = self._task = asyncio.create_task(self.checks.look())
        await asyncio.wait([task], timeout=max(0.0, self._began + TIMEOUT - now))
        if task.done():
            return task.result()
        return dict.fromkeys(self.checks.names, f"no answer within {TIMEOUT:g} s")


class LayerChecks:
    """Whether the layer answers, this server reads its inbox, and a worker is alive."""

    names: ClassVar[tuple[str, ...]] = ("layer", "inbox", "workers")

    def __init__(self, layer: Callable[[], WorkerLayer]) -> None:
        self.get_layer = layer
        self._heartbeats = Heartbeats()

    async def look(self) -> Checks:
        """Run the checks once, on the connections of the layer."""
        try:
            layer = self.get_layer()
            counters = await layer.workers()
        except LayerUnavailable as error:
            told = "refuses its user; see the log" if isinstance(error, LayerRefused) else SILENT
            return {"layer": told, "inbox": "not known", "workers": "not known"}
        except Exception:
            logger.exception("The readiness check of the layer failed", extra=fields("not_ready"))
            return {"layer": "failed; see the log", "inbox": "not known", "workers": "not known"}
        alive = self._heartbeats.alive(counters, time.monotonic())
        return {
            "layer": OK,
            "inbox": OK if layer.inbox_waits() < INBOX_STILL else "is not read; see the log",
            "workers": OK if alive else "none is alive",
        }


class Heartbeats:
    """Which workers are alive: those whose counter has advanced within ``DEAD_AFTER``.

    A new worker counts as alive.
    """

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}

    def alive(self, counters: Mapping[str, int], now: float) -> list[str]:
        """Return the workers alive among those with *counters*; *now* in monotonic seconds."""
        seen = {name: Sample(counter, now) for name, counter in counters.items()}
        for name, before in self._samples.items():
            if name in seen and seen[name].counter == before.counter:
                seen[name] = before
        self._samples = seen
        return [name for name, sample in seen.items() if now - sample.since < DEAD_AFTER]


class DatabaseChecks:
    """Whether the database answers, and has all migrations."""

    names: ClassVar[tuple[str, ...]] = ("database", "migrations")

    def __init__(self) -> None:
        self._are_applied = False  # once true, it stays true for the running code
        self._told = ""  # the error that was logged last

    async def look(self) -> Checks:
        """Run the checks once, in a daemon thread that never delays the end of the process."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Checks] = loop.create_future()

        Duty("database check", lambda: call_in(loop, settle, found, self.look_now())).start()
        return await found

    def look_now(self) -> Checks:
        """Run the checks once, on a connection of this thread, and close it."""
        try:
            connection = connections[DEFAULT_DB_ALIAS]
            try:
                checks = self._look(connection)
                self._told = ""
                return checks
            finally:
                # Not `connection.close`: SQLite's leaves a database in memory open for ever.
                BaseDatabaseWrapper.close(connection)
        except Exception as error:  # noqa: BLE001  (each database has errors of its own)
            self._tell(type(error).__name__)
            migrations = OK if self._are_applied else "not known"
            return {"database": "does not answer", "migrations": migrations}

    def _tell(self, error: str) -> None:
        if error != self._told:
            logger.warning("The database cannot be used: %s", error, extra=fields("not_ready"))
        self._told = error

    def _look(self, connection: BaseDatabaseWrapper) -> Checks:
        if connection.vendor == "unknown":  # Django's dummy: the project has no database
            return {}
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not self._are_applied:
            executor = MigrationExecutor(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
            self._are_applied = not plan
        return {"database": OK, "migrations": OK if self._are_applied else "not applied"}


def is_fine(checks: Checks) -> bool:
    """Say whether all *checks* passed."""
    return all(found == OK for found in checks.values())


async def answer(scope: Scope, send: Send, checks: Checks) -> None:
    """Send *checks* as JSON: 200 if all passed, else 503."""
    fine = is_fine(checks)
    told = {"status": OK if fine else "unavailable", "checks": checks}
    await send_json(scope, send, 200 if fine else 503, told)
