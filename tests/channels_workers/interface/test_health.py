"""Responses to probers, without processes. `tests/processes/test_drain.py` has real ones."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import redis
from pytest_django import Settings

from channels_workers.interface import health
from channels_workers.interface.application import Interface
from channels_workers.interface.health import CachedCheck, Checks, DatabaseChecks, Heartbeats
from channels_workers.layers.liveness import DEAD_AFTER
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import ProcessInfo
from labs.harness.redis_server import RedisServer
from tests.channels_workers.clients import request_of
from tests.channels_workers.interface.test_application import TIMEOUT, Client
from tests.docs.pages import page

PATHS = {"HEALTH_PATH": "/up", "READY_PATH": "/ready"}


class Answer:
    """An application's response to one request."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    @property
    def status(self) -> int:
        return int(self.events[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.events[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(event["body"] for event in self.events[1:])

    @property
    def checks(self) -> Checks:
        return dict(json.loads(self.body)["checks"])


async def ask(
    application: Interface,
    path: str,
    method: str = "GET",
    root_path: str = "",
    headers: Sequence[tuple[bytes, bytes]] = ((b"host", b"10.0.0.7"),),
) -> Answer:
    answer = Answer()
    scope = {"type": "http", "method": method, "path": path, "root_path": root_path}
    scope["headers"] = list(headers)
    async with asyncio.timeout(TIMEOUT):
        await application(scope, request_of(), answer.send)
    return answer


def interface(layer: Any) -> Interface:
    async def http(scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    return Interface(http, lambda: layer)


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer()


@pytest.fixture
def application(layer: InMemoryChannelLayer, settings: Settings) -> Interface:
    settings.CHANNEL_WORKERS = PATHS
    return interface(layer)


# Checks run in their own threads, on the migrated test database.
pytestmark = pytest.mark.django_db


async def test_without_paths_both_endpoints_are_left_to_django(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    application = interface(InMemoryChannelLayer())
    for path in ("", "/", "/healthz", "/readyz"):
        assert (await ask(application, path)).status == 204


async def test_other_paths_are_left_to_django(application: Interface) -> None:
    for path in ("", "/", "/up/", "/upper", "/ready/"):
        assert (await ask(application, path)).status == 204


@pytest.mark.parametrize("path", ["/up", "/ready"])
async def test_only_get_and_head_are_answered(path: str, application: Interface) -> None:
    refused = await ask(application, path, "POST")
    assert refused.status == 405
    assert refused.headers[b"allow"] == b"GET, HEAD"
    got, headed = await ask(application, path), await ask(application, path, "HEAD")
    assert headed.body == b""
    assert headed.events[0] == got.events[0]
    assert got.headers[b"content-length"] == str(len(got.body)).encode()
    assert got.headers[b"content-type"] == b"application/json"
    assert got.headers[b"cache-control"] == b"no-store"


async def test_a_worker_makes_it_ready(
    application: Interface, layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "SHARED_FOR", 0.0)
    assert (await ask(application, "/up")).status == 200
    before = await ask(application, "/ready")
    assert before.status == 503
    assert before.body.decode() == page("how-to/monitor").marked("output", "readyz")
    layer.register("worker", ProcessInfo.this("worker", 1, ["websocket.connect"]))
    after = await ask(application, "/ready")
    assert after.status == 200
    assert after.checks == dict.fromkeys(
        ("server", "layer", "inbox", "workers", "database", "migrations"), "ok"
    )
    layer.register("server", ProcessInfo.this("server"))
    layer.retire("worker", (), ())
    assert (await ask(application, "/ready")).checks["workers"] == "none is alive"


async def test_a_draining_server_is_alive_but_not_ready(
    application: Interface, layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    layer.register("worker", ProcessInfo.this("worker", 1, ["websocket.connect"]))
    caplog.set_level("INFO", "channels_workers.interface.health")
    for _ in range(3):
        assert (await ask(application, "/ready")).status == 200
    await application.stop()
    for _ in range(3):
        stopping = await ask(application, "/ready")
        assert (stopping.status, stopping.checks["server"]) == (503, "draining")
    assert (await ask(application, "/up")).status == 200
    of_health = [record for record in caplog.records if record.name.endswith(".health")]
    said = [record.getMessage() for record in of_health]
    assert said == ["This server is ready", "Not ready: server: draining"]


class TestHeartbeats:
    def test_a_worker_is_alive_while_its_counter_rises(self) -> None:
        heartbeats = Heartbeats()
        assert heartbeats.alive({}, 0.0) == []
        assert heartbeats.alive({"one": 7}, 0.0) == ["one"]
        assert heartbeats.alive({"one": 7, "two": 1}, DEAD_AFTER - 1) == ["one", "two"]
        assert heartbeats.alive({"one": 7, "two": 2}, DEAD_AFTER) == ["two"]
        assert heartbeats.alive({"one": 8, "two": 3}, DEAD_AFTER + 1) == ["one", "two"]

    def test_a_worker_that_comes_back_counts_as_new(self) -> None:
        heartbeats = Heartbeats()
        assert heartbeats.alive({"one": 1}, 0.0) == ["one"]
        assert heartbeats.alive({}, 1.0) == []
        assert heartbeats.alive({"one": 1}, DEAD_AFTER) == ["one"]

    def test_a_rare_prober_sees_live_workers(self) -> None:
        heartbeats = Heartbeats()
        for minute in range(5):
            assert heartbeats.alive({"one": minute}, 60.0 * minute) == ["one"]
        assert heartbeats.alive({"one": 4}, 300.0) == []


class Counted:
    """Checks that count their runs and take as long as the test wants."""

    names: ClassVar[tuple[str, ...]] = ("thing",)

    def __init__(self) -> None:
        self.looks = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def look(self) -> Checks:
        self.looks += 1
        await self.go_on.wait()
        return {"thing": f"look {self.looks}"}


class TestLook:
    async def test_concurrent_probes_share_one_check(self, monkeypatch: pytest.MonkeyPatch) -> None:
        counted = Counted()
        look = CachedCheck(counted)
        monkeypatch.setattr(health, "SHARED_FOR", 3600.0)
        found = await asyncio.gather(*(look.result() for _ in range(100)))
        assert [*found, await look.result()] == [{"thing": "look 1"}] * 101
        monkeypatch.setattr(health, "SHARED_FOR", 0.0)
        assert await look.result() == {"thing": "look 2"}

    async def test_a_slow_check_is_reported_and_not_started_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted = Counted()
        look = CachedCheck(counted)
        monkeypatch.setattr(health, "SHARED_FOR", 0.0)
        monkeypatch.setattr(health, "TIMEOUT", 0.02)
        counted.go_on.clear()
        for _ in range(3):
            assert await look.result() == {"thing": "no answer within 0.02 s"}
        assert counted.looks == 1
        counted.go_on.set()
        async with asyncio.timeout(TIMEOUT):
            while (found := await look.result()) == {"thing": "no answer within 0.02 s"}:
                pass
        assert found["thing"].startswith("look ")

    async def test_a_hanging_check_times_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For example on a half-open database connection. Afterwards the check works again."""
        counted = Counted()
        look = CachedCheck(counted)
        monkeypatch.setattr(health, "TIMEOUT", 0.02)
        counted.go_on.clear()
        assert await look.result() == {"thing": "no answer within 0.02 s"}
        never = look._task
        monkeypatch.setattr(health, "ABANDONED_AFTER", 0.0)
        monkeypatch.setattr(health, "TIMEOUT", 10.0)
        again = asyncio.create_task(look.result())
        await asyncio.wait([again], timeout=0)
        assert look._task is not never
        counted.go_on.set()
        assert (await asyncio.wait_for(again, TIMEOUT))["thing"] == "look 2"


class TestDatabaseChecks:
    async def test_missing_migrations_are_checked_until_they_are_applied(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checks = DatabaseChecks()
        plans: list[list[str]] = [["a migration"], [], ["never asked for"]]
        monkeypatch.setattr(
            health.MigrationExecutor, "migration_plan", lambda self, targets: plans.pop(0)
        )
        assert await checks.look() == {"database": "ok", "migrations": "not applied"}
        for _ in range(3):
            assert await checks.look() == {"database": "ok", "migrations": "ok"}
        assert plans == [["never asked for"]]

    async def test_a_database_outage_is_reported_without_its_address(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        checks = DatabaseChecks()
        down = {"database": "does not answer", "migrations": "not known"}
        with database_setting("NAME", "/nowhere/secret.db"):
            assert await checks.look() == down
        assert await checks.look() == {"database": "ok", "migrations": "ok"}
        with database_setting("NAME", "/nowhere/secret.db"):
            assert await checks.look() == down | {"migrations": "ok"}
        assert "The database cannot be used: OperationalError" in caplog.text
        assert "secret" not in caplog.text

    async def test_without_a_database_there_is_no_database_check(self) -> None:
        with database_setting("ENGINE", "django.db.backends.dummy"):
            assert await DatabaseChecks().look() == {}


@contextmanager
def database_setting(key: str, value: str) -> Iterator[None]:
    """Override a setting of connections in new threads. Existing connections keep theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(health.connections.settings["default"], key, value)
        yield


async def test_checking_redis_reuses_a_connection(
    redis_server: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_WORKERS = PATHS
    monkeypatch.setattr(health, "SHARED_FOR", 0.0)
    layer = RedisChannelLayer(hosts=[redis_server.url], lifeline=False)
    application = interface(layer)
    await asyncio.to_thread(layer.check_server)  # as each server does at its start
    with redis_server.client() as client:
        try:
            await ask_often(application)
            assert connections_to(client) == 1
            socket = Client(application)
            async with asyncio.timeout(TIMEOUT):
                while connections_to(client) < 3:  # noqa: ASYNC110  (it is Redis that is asked)
                    await asyncio.sleep(0)
            await ask_often(application)
            assert connections_to(client) == 3
            socket.leave()
            await socket.ended()
        finally:
            await application.stop()
            layer.disconnect()


async def ask_often(application: Interface) -> None:
    for _ in range(5):
        answers = await asyncio.gather(*(ask(application, "/ready") for _ in range(10)))
        assert {answer.checks["layer"] for answer in answers} == {"ok"}


def connections_to(client: redis.Redis) -> int:
    """The number of connections, without that of *client*, and without lifelines of other tests."""
    found: list[dict[str, str]] = client.client_list()  # type: ignore[assignment]
    return sum(each["sub"] == "0" for each in found) - 1
