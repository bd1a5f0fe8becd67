import threading
from collections.abc import Iterator

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers import liveness
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.liveness import DEAD_AFTER, LONGEST_PAUSE, StallDetector
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import Committed, NewDeadLetter, ProcessInfo
from channels_workers.worker import reaper
from channels_workers.worker.reaper import (
    LOOK_INTERVAL,
    SEARCH_INTERVAL,
    Reaper,
)
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for


class Clock:
    """A detector in the process "own", and the counters that it sees, second by second."""

    def __init__(self) -> None:
        self.detector = StallDetector()
        self.now = 1000.0
        self.counters = {"own": 1}

    def look(self, **standing: int) -> dict[str, int]:
        return self.detector.look({**self.counters, **standing}, "own", self.now)

    def pass_by(self, seconds: float, *, step: float = 1.0, **standing: int) -> list[str]:
        """Look every *step* seconds while the own counter rises. Returns the dead."""
        dead: list[str] = []
        end = self.now + seconds
        while self.now < end:
            self.now += step
            self.counters["own"] += 1
            dead += self.look(**standing)
        return dead


def test_a_counter_that_stops_is_dead_after_the_time_out() -> None:
    clock = Clock()
    clock.look(other=7)
    assert clock.pass_by(DEAD_AFTER - 1, other=7) == []
    assert clock.pass_by(1, other=7) == ["other"]
    assert clock.look(other=7) == {"other": 7}


def test_a_counter_that_rises_is_alive() -> None:
    clock = Clock()
    for counter in range(20):
        assert clock.pass_by(1, other=counter) == []


def test_a_counter_that_rises_late_is_alive() -> None:
    clock = Clock()
    for counter in range(5):
        assert clock.pass_by(DEAD_AFTER - 1, other=counter) == []


def test_no_process_marks_itself_dead() -> None:
    clock = Clock()
    for _ in range(20):
        clock.now += 1
        assert clock.look() == {}


def test_a_frozen_reaper_marks_nobody_dead() -> None:
    clock = Clock()
    clock.look(other=7)
    clock.now += 60
    assert clock.pass_by(DEAD_AFTER - 1, other=7) == []
    assert clock.pass_by(2, other=7) == ["other"]


def test_observations_too_far_apart_do_not_count() -> None:
    clock = Clock()
    assert clock.pass_by(60, step=LONGEST_PAUSE + 0.1, other=7) == []


def test_a_reaper_without_own_heartbeat_marks_nobody_dead() -> None:
    clock = Clock()
    for _ in range(60):
        clock.now += 1
        assert clock.look(other=7) == {}
    assert clock.pass_by(DEAD_AFTER - 1, other=7) == []
    assert clock.pass_by(2, other=7)


def test_a_process_that_has_left_is_forgotten() -> None:
    clock = Clock()
    clock.look(other=7)
    assert clock.pass_by(2) == []
    assert clock.pass_by(DEAD_AFTER - 1, other=7) == []


def test_a_reaper_with_a_new_id_continues() -> None:
    clock = Clock()
    clock.look(other=7)
    clock.counters = {"own": 1, "old": 5}
    assert set(clock.pass_by(DEAD_AFTER + 1, other=7)) == {"old", "other"}


# The reaper


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "LOOK_INTERVAL", 0.01)
    monkeypatch.setattr(liveness, "DEAD_AFTER", 0.2)


@pytest.fixture
def own(memory_layer: InMemoryChannelLayer) -> Iterator[Reaper]:
    """The reaper of a process with heartbeats."""
    memory_layer.register("own", ProcessInfo.this("worker"))
    ended = threading.Event()

    def heartbeat() -> None:
        while not ended.wait(0.01):
            memory_layer.heartbeat("own")

    pulsing = threading.Thread(target=heartbeat)
    pulsing.start()
    found = Reaper(memory_layer.admin, lambda: "own")
    yield found
    ended.set()
    pulsing.join()


@pytest.mark.usefixtures("quickly")
def test_dead_processes_are_marked_dead_and_cleaned_up(
    own: Reaper, memory_layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    memory_layer.register("other", ProcessInfo.this("worker"))
    memory_layer.apply([memory_layer.make_send("work", {"n": 1})])
    [held] = memory_layer.pull(["work"], "other.0", 0)
    own.start()
    wait_for(lambda: "Cleaned up after process other" in caplog.text, "the reaper")
    own.stop()
    assert set(memory_layer.admin.processes()) == {"own"}
    [again] = memory_layer.pull(["work"], "own.0", 0)
    assert (again.id, again.deaths) == (held.id, 1)


@pytest.mark.usefixtures("quickly")
def test_processes_marked_dead_by_another_reaper_are_cleaned_up(
    own: Reaper, memory_layer: InMemoryChannelLayer
) -> None:
    memory_layer.register("other", ProcessInfo.this("worker"))
    memory_layer.admin.mark_dead("other", 1)
    own.start()
    wait_for(lambda: not memory_layer.admin.awaiting_cleanup(), "the reaper")
    own.stop()


@pytest.mark.usefixtures("quickly")
def test_errors_do_not_end_the_reaper(
    own: Reaper, memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [LayerUnavailable("away"), ValueError("nobody foresaw it")]
    processes = memory_layer.admin.processes

    def fail_first() -> dict[str, int]:
        if failures:
            raise failures.pop()
        return processes()

    monkeypatch.setattr(memory_layer.admin, "processes", fail_first)
    memory_layer.register("other", ProcessInfo.this("worker"))
    own.start()
    wait_for(lambda: set(processes()) == {"own"}, "the reaper")
    own.stop()
    assert not failures


@pytest.mark.usefixtures("quickly")
def test_a_user_who_may_not_see_lifelines_finds_the_dead_by_their_counters(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The servers have another user, who may hold them."""
    client = redis_server.client()
    client.execute_command(  # type: ignore[no-untyped-call]
        *("ACL", "SETUSER", "carol", "reset", "on", ">secret", "~*", "+@all", "&*", "-pubsub")
    )
    servers = RedisChannelLayer(hosts=[redis_server.url])
    workers = RedisChannelLayer(hosts=[redis_server.url.replace("//", "//carol:secret@")])
    reaper = Reaper(workers.admin, lambda: "own")
    ended = threading.Event()

    def heartbeat() -> None:
        while not ended.wait(0.01):
            workers.heartbeat("own")

    pulsing = threading.Thread(target=heartbeat)
    try:
        servers.register("other", ProcessInfo.this("server"))
        lifelines = servers.client.key("lifelines")
        wait_for(lambda: client.hexists(lifelines, "other"), "the lifeline")
        workers.register("own", ProcessInfo.this("worker"))
        pulsing.start()
        reaper.start()
        wait_for(lambda: "Cleaned up after process other" in caplog.text, "the reaper")
    finally:
        ended.set()
        reaper.stop()
        pulsing.join()
        servers.disconnect()
        workers.disconnect()
        client.execute_command("ACL", "DELUSER", "carol")  # type: ignore[no-untyped-call]
        client.close()


class Watched:
    """A reaper in the process "own", which has heartbeats, and the time that it sees."""

    def __init__(self, layer: WorkerLayer) -> None:
        self.layer = layer
        self.reaper = Reaper(layer.admin, lambda: "own")
        self.now = 1000.0
        layer.register("own", ProcessInfo.this("worker", 1, ["work"]))

    def pass_by(self, seconds: float) -> None:
        for _ in range(int(seconds / LOOK_INTERVAL)):
            self.now += LOOK_INTERVAL
            self.layer.heartbeat("own")
            self.reaper.look(self.now)


@pytest.fixture
def watched(memory_layer: InMemoryChannelLayer) -> Watched:
    """A layer in which the unregistered process "stray" holds the only message."""
    memory_layer.apply([memory_layer.make_send("work", {"n": 1})])
    assert memory_layer.pull(["work"], "stray.0", 0)
    return Watched(memory_layer)


def test_deliveries_of_an_unregistered_process_are_requeued(
    watched: Watched, memory_layer: InMemoryChannelLayer, caplog: pytest.LogCaptureFixture
) -> None:
    watched.pass_by(DEAD_AFTER - LOOK_INTERVAL)
    assert memory_layer.pull(["work"], "own.0", 0) == []
    watched.pass_by(SEARCH_INTERVAL + DEAD_AFTER)
    [again] = memory_layer.pull(["work"], "own.0", 0)
    assert again.deaths == 1
    assert [record.getMessage() for record in caplog.records] == [
        "Process stray is dead: it holds messages and is not registered",
        "Cleaned up after process stray",
    ]


def test_later_deliveries_of_an_unregistered_process_are_requeued_too(
    watched: Watched, memory_layer: InMemoryChannelLayer
) -> None:
    watched.pass_by(SEARCH_INTERVAL + DEAD_AFTER)
    [begun] = memory_layer.pull(["work"], "stray.0", 0)
    assert memory_layer.quarantine(begun) is Committed.DONE
    watched.pass_by(2 * SEARCH_INTERVAL + DEAD_AFTER)
    [again] = memory_layer.pull(["work"], "own.0", 0)
    assert again.deaths == 2


def test_a_process_that_registers_again_keeps_its_deliveries(
    watched: Watched, memory_layer: InMemoryChannelLayer
) -> None:
    watched.pass_by(DEAD_AFTER - LOOK_INTERVAL)
    memory_layer.register("stray", ProcessInfo.this("worker"))
    for _ in range(10):
        memory_layer.heartbeat("stray")
        watched.pass_by(DEAD_AFTER - LOOK_INTERVAL)
    assert memory_layer.pull(["work"], "own.0", 0) == []
    assert set(memory_layer.admin.processes()) == {"own", "stray"}


def test_a_process_with_a_new_id_keeps_its_deliveries(
    watched: Watched, memory_layer: InMemoryChannelLayer
) -> None:
    watched.pass_by(DEAD_AFTER - LOOK_INTERVAL)
    stray = InMemoryChannelLayer(store=memory_layer.store)
    stray.heartbeat("stray")
    stray.register("new", ProcessInfo.this("worker"))
    for _ in range(10):
        stray.heartbeat("new")
        watched.pass_by(DEAD_AFTER - LOOK_INTERVAL)
    assert memory_layer.pull(["work"], "own.0", 0) == []
    assert memory_layer.admin.awaiting_cleanup() == set()


def test_a_frozen_reaper_takes_no_process_for_unregistered(
    watched: Watched, memory_layer: InMemoryChannelLayer
) -> None:
    watched.pass_by(2 * LOOK_INTERVAL)
    watched.now += 60
    watched.pass_by(DEAD_AFTER - LOOK_INTERVAL)
    assert memory_layer.pull(["work"], "own.0", 0) == []


def test_a_failed_cleanup_delays_no_other(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the search for unregistered processes. The failure is logged as an error."""
    layer = RedisChannelLayer(hosts=[redis_server.url])
    watched = Watched(layer)
    layer.apply([layer.make_send("work", {"n": 1})])
    assert layer.pull(["work"], "stray.0", 0.01)
    names = ["bad", *(f"good{number}" for number in range(5))]
    for name in names:
        layer.register(name, ProcessInfo.this("server"))
        assert layer.admin.mark_dead(name, 1)
    clean_up = layer.admin.clean_up

    def fail(process: str) -> list[NewDeadLetter]:
        if process == "bad":
            raise RuntimeError("nobody foresaw it")
        return clean_up(process)

    with monkeypatch.context() as broken:
        broken.setattr(layer.admin, "clean_up", fail)
        watched.pass_by(SEARCH_INTERVAL + DEAD_AFTER + 1)
        assert layer.admin.awaiting_cleanup() == {"bad"}
        [again] = layer.pull(["work"], "own.0", 0.01)
        assert again.deaths == 1
        told = [record for record in caplog.records if record.levelname == "ERROR"]
        assert [record.getMessage() for record in told] == [
            "Cleaning up after process bad: RuntimeError was raised. Trying again."
        ]
        assert told[0].exc_info
    wait_for(
        lambda: [watched.pass_by(1), not layer.admin.awaiting_cleanup()][1], "the next attempt"
    )
    layer.retire("own", (), ())
    layer.disconnect()
