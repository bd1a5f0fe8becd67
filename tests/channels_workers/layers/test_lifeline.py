"""Which processes count as cut off, on a real Redis, and with real processes where one dies."""

import asyncio
import json
import logging
import os
import select
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.liveness import CUT_OFF_FOR, LONGEST_BLINK, CutDetector
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis import lifeline as lifelines
from channels_workers.layers.redis.lifeline import Lifeline
from channels_workers.layers.types import Liveness, ProcessInfo
from labs.harness.processes import Process
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for

ABOUT = ProcessInfo.this("worker")

HOLDER = """
import os, signal, sys
import django
django.setup()
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import ProcessInfo
layer = RedisChannelLayer(hosts=[sys.argv[1]])
layer.register("holder", ProcessInfo.this("worker"))
if "--fork" in sys.argv and not os.fork():
    os.execvp("sleep", ["sleep", "600"])
print("registered", flush=True)
signal.pause()
"""

Start = Callable[..., Process]


@pytest.fixture
def layer(redis_server: RedisServer) -> Iterator[RedisChannelLayer]:
    made = RedisChannelLayer(hosts=[redis_server.url])
    yield made
    made.disconnect()


@pytest.fixture
def start(redis_server: RedisServer, tmp_path: Path) -> Iterator[Start]:
    """Start a process that registers as "holder"."""
    started: list[Process] = []

    def begin(*options: str, url: str = redis_server.url) -> Process:
        command = [sys.executable, "-c", HOLDER, url, *options]
        env = {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        process = Process("holder", command, log=tmp_path / "log", env=env, cwd=ROOT)
        started.append(process)
        process.wait_for_line("registered")
        return process

    yield begin
    for process in started:
        process.kill()


def held(layer: RedisChannelLayer) -> dict[bytes, bytes]:
    """The lifelines that Redis knows of."""
    found: dict[bytes, bytes] = layer.client.redis.hgetall(layer.client.key("lifelines"))  # type: ignore[assignment]
    return found


def subscribers(layer: RedisChannelLayer, process: str) -> int:
    channel = layer.client.key(f"lifeline:{process}")
    [(_, count)] = layer.client.redis.pubsub_numsub(channel)  # type: ignore[no-untyped-call]
    return int(count)


def until_held(
    layer: RedisChannelLayer, *names: str, subscribed: Sequence[str] | None = None
) -> None:
    wait_for(
        lambda: (
            held(layer).keys() == {name.encode() for name in names}
            and all(
                subscribers(layer, name) for name in (names if subscribed is None else subscribed)
            )
        ),
        lambda: f"lifelines of {names}; there are {held(layer)}",
    )


# The detector


def test_a_process_that_is_cut_off_is_dead_after_a_while() -> None:
    detector = CutDetector()
    assert detector.look({"other": 7}, "own", 10.0) == {}
    assert detector.look({"other": 7}, "own", 10.0 + CUT_OFF_FOR - 0.1) == {}
    assert detector.look({"other": 7}, "own", 10.0 + CUT_OFF_FOR) == {"other": 7}
    assert detector.suspects
    assert detector.look({}, "own", 10.0 + CUT_OFF_FOR + 0.1) == {}
    assert not detector.suspects


@pytest.mark.parametrize(
    "meanwhile", [{}, {"other": 8}, {"other": 7, "own": 1}], ids=["held", "raised", "own"]
)
def test_a_process_that_lives_is_not_dead(meanwhile: dict[str, int]) -> None:
    detector = CutDetector()
    detector.look({"other": 7}, "own", 10.0)
    assert detector.look(meanwhile, "own", 10.3) == {}
    assert detector.look({"other": 7}, "own", 10.6) == {}


def test_a_detector_that_was_frozen_begins_anew() -> None:
    detector = CutDetector()
    detector.look({"other": 7}, "own", 10.0)
    late = 10.0 + LONGEST_BLINK + 0.1
    assert detector.look({"other": 7}, "own", late) == {}
    assert detector.look({"other": 7}, "own", late + CUT_OFF_FOR) == {"other": 7}


# Those who die


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGABRT])
def test_a_process_that_dies_is_cut_off_at_once(
    layer: RedisChannelLayer, start: Start, ending: signal.Signals
) -> None:
    process = start()
    until_held(layer, "holder")
    assert layer.admin.cut_off() == {}
    process.signal(ending)
    process.wait()
    assert layer.admin.cut_off() == {"holder": 1}
    assert not layer.admin.mark_dead("holder", 2, is_cut_off=True)
    assert layer.admin.mark_dead("holder", 1, is_cut_off=True)
    assert held(layer) == layer.admin.cut_off() == {}


def test_a_process_whose_child_lives_on_is_cut_off(layer: RedisChannelLayer, start: Start) -> None:
    """The program that a child runs does not inherit the lifeline."""
    process = start("--fork")
    until_held(layer, "holder")
    process.signal(signal.SIGKILL)
    wait_for(lambda: layer.admin.cut_off() == {"holder": 1}, "the cut")
    os.killpg(process.pid, signal.SIGKILL)


# Those who live


def test_a_frozen_process_is_not_cut_off(layer: RedisChannelLayer, start: Start) -> None:
    process = start()
    until_held(layer, "holder")
    process.signal(signal.SIGSTOP)
    assert layer.admin.cut_off() == {}
    assert not layer.admin.mark_dead("holder", 1, is_cut_off=True)
    process.signal(signal.SIGCONT)


def test_a_living_process_comes_back_after_a_cut(
    layer: RedisChannelLayer, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifelines, "SUSPECT_FOR", 0.0)
    layer.register("one", ABOUT)
    layer.register("two", ABOUT)
    until_held(layer, "one", "two")
    with redis_server.client() as client:
        for _ in range(5):
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
            until_held(layer, "one", "two")
    assert layer.heartbeat("one") is Liveness.ALIVE
    assert layer.admin.cut_off() == {}


def test_a_process_that_cannot_come_back_says_that_it_lives(
    layer: RedisChannelLayer, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer.register("one", ABOUT)
    until_held(layer, "one")
    with redis_server.client() as client:
        monkeypatch.setattr(lifelines, "SUSPECT_FOR", 0.0)
        monkeypatch.setattr(Lifeline, "_subscribe", _fail)
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
        wait_for(lambda: not held(layer), "the end of the lifeline")
        assert layer.admin.cut_off() == {}
        monkeypatch.undo()
        until_held(layer, "one")


def cut_all(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]


def test_a_process_that_may_not_come_back_says_that_it_lives(
    layer: RedisChannelLayer,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The permission is taken away after it was tried."""
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "eve", "on", ">secret", "~*", "+@all", "&*")  # type: ignore[no-untyped-call]
        permitted = RedisChannelLayer(hosts=[redis_server.url.replace("//", "//eve:secret@")])
        try:
            permitted.register("one", ABOUT)
            until_held(layer, "one")
            monkeypatch.setattr(Lifeline, "_try", lambda *arguments: None)
            client.execute_command("ACL", "SETUSER", "eve", "-subscribe")  # type: ignore[no-untyped-call]
            cut_all(redis_server)
            wait_for(lambda: [each.levelname for each in caplog.records] == ["WARNING"], "the end")
            wait_for(lambda: not held(layer), "the note that there is no lifeline")
        finally:
            permitted.disconnect()
            client.execute_command("ACL", "DELUSER", "eve")  # type: ignore[no-untyped-call]


def test_a_process_says_that_it_lives_though_redis_takes_no_connections(
    layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    """It uses a connection that is open."""
    layer.register("one", ABOUT)
    until_held(layer, "one")
    with redis_server.client() as client:
        before = client.config_get("maxclients")["maxclients"]
        client.config_set("maxclients", 1)
        try:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
            notes = layer.client.key("lifelines")
            wait_for(lambda: not client.exists(notes), "the note that there is no lifeline")
        finally:
            client.config_set("maxclients", before)
    until_held(layer, "one")


def test_a_process_that_redis_does_not_hear_tries_again_at_once(
    layer: RedisChannelLayer, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its connections were cut, and the one by which it says that it lives."""
    layer.register("one", ABOUT)
    until_held(layer, "one")
    give_up, results = Lifeline._give_up, iter([False, False])
    monkeypatch.setattr(
        Lifeline, "_give_up", lambda *given: next(results, True) and give_up(*given)
    )
    monkeypatch.setattr(Lifeline, "_subscribe", _fail)
    monkeypatch.setattr(lifelines, "PAUSE", 600.0)
    monkeypatch.setattr(lifelines, "LONGEST_PAUSE", 600.0)
    cut_all(redis_server)
    wait_for(lambda: not held(layer), "the note that there is no lifeline")
    monkeypatch.setattr(lifelines, "SUSPECT_FOR", 0.0)
    assert not layer._registrations.lifeline.sees_others()


def test_a_process_whose_lifeline_was_cut_too_believes_nobody_dead(
    layer: RedisChannelLayer,
    redis_server: RedisServer,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redis may have cut all, and a busy process comes back late."""
    process = start()
    layer.register("one", ABOUT)
    until_held(layer, "holder", "one")
    process.signal(signal.SIGSTOP)
    cut_all(redis_server)
    wait_for(lambda: not layer._registrations.lifeline.sees_others(), "the cut of its own")
    wait_for(lambda: subscribers(layer, "one"), "its lifeline")
    assert layer.admin.cut_off() == {}
    monkeypatch.setattr(lifelines, "SUSPECT_FOR", 0.0)
    assert layer.admin.cut_off() == {"holder": 1}
    process.signal(signal.SIGCONT)
    until_held(layer, "holder", "one")


def test_redis_is_never_told_of_a_lifeline_that_is_not_held(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may stall at any time, also while it begins."""
    looks: list[bool] = []
    read = lifelines._read

    def look(connection: object) -> object:
        reply = read(connection)
        looks.append(not held(layer) or bool(subscribers(layer, "one")))
        return reply

    monkeypatch.setattr(lifelines, "_read", look)
    layer.register("one", ABOUT)
    until_held(layer, "one")
    wait_for(lambda: len(looks) >= 7, "all replies")
    assert all(looks)


def _fail(*arguments: object) -> None:
    raise ConnectionError("no connection is left")


def test_a_process_that_leaves_has_no_lifeline(layer: RedisChannelLayer) -> None:
    layer.register("one", ABOUT)
    layer.register("two", ABOUT)
    until_held(layer, "one", "two")
    layer.retire("one", (), ())
    until_held(layer, "two")
    layer.retire("two", (), ())
    wait_for(lambda: not subscribers(layer, "two"), "the end of the connection")
    assert held(layer) == {}
    layer.register("three", ABOUT)
    until_held(layer, "three")


def test_other_names_are_held_at_once(
    layer: RedisChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the connection before is no failure, after which one waits."""
    monkeypatch.setattr(lifelines, "PAUSE", 600.0)
    names = [f"process {number}" for number in range(4)]
    for count in range(1, 5):
        layer.register(names[count - 1], ABOUT)
        until_held(layer, *names[:count])
    for count in range(1, 4):
        layer.retire(names[count - 1], (), ())
        until_held(layer, *names[count:])


def test_an_evicted_process_holds_the_lifeline_of_its_new_name(layer: RedisChannelLayer) -> None:
    layer.register("old", ABOUT)
    until_held(layer, "old")
    assert layer.admin.mark_dead("old", 1)
    assert layer.heartbeat("old") is Liveness.EVICTED
    layer.register("new", ABOUT)
    until_held(layer, "new")
    wait_for(lambda: not subscribers(layer, "old"), "the end of the old lifeline")


def test_a_restarted_redis_finds_nobody_cut_off(
    layer: RedisChannelLayer, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody comes back at different times. The entries of the former run do not count."""
    monkeypatch.setattr(lifelines, "SUSPECT_FOR", 0.0)
    layer.register("one", ABOUT)
    until_held(layer, "one")
    redis_server.stop()
    redis_server.start()
    layer.register("one", ABOUT)
    layer.client.redis.hset(layer.client.key("lifelines"), "two", "a former run")
    layer.client.redis.hset(layer.client.key("processes"), "two", 1)
    layer.client.redis.delete(layer.client.key("recovering"))
    until_held(layer, "one", "two", subscribed=["one"])
    assert layer.admin.cut_off() == {}
    layer.register("two", ABOUT)
    until_held(layer, "one", "two")


@pytest.mark.parametrize("is_noticed", [False, True], ids=["unnoticed", "recovering"])
def test_a_restarted_redis_with_old_data_finds_nobody_cut_off(
    layer: RedisChannelLayer, is_noticed: bool
) -> None:
    """Nobody has come back yet, and the data still name the run of before, as after a failover."""
    layer.register("one", ABOUT)
    until_held(layer, "one")
    key = layer.client.key
    old = "0" * 40
    layer.client.redis.hset(key("processes"), "two", 7)
    layer.client.redis.hset(key("lifelines"), "two", old)
    layer.client.redis.set(key("run"), old)
    if is_noticed:
        layer.client.redis.set(key("recovering"), layer.client.redis.get(key("epoch")))
    assert layer.admin.cut_off() == {}
    assert not layer.admin.mark_dead("two", 7, is_cut_off=True)


async def test_a_flush_keeps_lifelines(layer: RedisChannelLayer) -> None:
    layer.register("one", ABOUT)
    until_held(layer, "one")
    await layer.flush()
    assert b"one" in held(layer)
    assert subscribers(layer, "one") == 1


async def test_a_server_that_registers_again_holds_its_lifeline(
    layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    await layer.new_channel()
    assert layer._server is not None
    server = layer._server.id
    until_held(layer, server)
    with redis_server.client() as client:
        client.flushall()

    def is_held() -> bool:
        return server.encode() in held(layer)

    async with asyncio.timeout(60):
        while not is_held():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await layer.retire_server()
    assert held(layer) == {}


# Who cannot have one


def _registers(layer: RedisChannelLayer, process: str) -> bool:
    """Register a process, unless the door is busy."""
    try:
        layer.register(process, ABOUT)
    except LayerUnavailable:
        return False
    return True


@contextmanager
def door_to(port: int) -> Iterator[int]:
    """A proxy in front of this port. Gives its own."""

    class Pass(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as behind:
                other = {self.request.fileno(): behind, behind.fileno(): self.request}
                poll = select.poll()  # select knows no descriptor above 1,023
                for each in other:
                    poll.register(each, select.POLLIN)
                while True:
                    for each, _ in poll.poll():
                        data = os.read(each, 65536)
                        if not data:
                            return
                        other[each].sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pass) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_process_behind_a_proxy_has_none(
    layer: RedisChannelLayer, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with door_to(redis_server.port) as port:
        behind = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{port}/0"])
        lifeline = behind._registrations.lifeline
        wait_for(lambda: _registers(behind, "behind"), "the registration")
        wait_for(lambda: not lifeline.is_possible, "the discovery of the proxy")
        assert held(layer) == layer.admin.cut_off() == {}
        wait_for(lambda: _registers(behind, "other"), "another registration")
        assert held(layer) == {}
        behind.disconnect()
    told = [each for each in caplog.records if getattr(each, "event", "") == "lifeline_indirect"]
    assert len(told) == 1
    assert "a proxy or a NAT" in told[0].getMessage()


@pytest.mark.parametrize(
    "missing", ["-client|info", "-subscribe", "-pubsub", "resetchannels", "-info"]
)
def test_a_user_without_the_permissions_has_none(
    layer: RedisChannelLayer,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    missing: str,
) -> None:
    with redis_server.client() as client:
        client.execute_command(  # type: ignore[no-untyped-call]
            *("ACL", "SETUSER", "bob", "reset", "on", ">secret", "~*", "+@all", "&*", missing)
        )
    try:
        url = redis_server.url.replace("//", "//bob:secret@")
        limited = RedisChannelLayer(hosts=[url])
        limited.register("limited", ABOUT)
        lifeline = limited._registrations.lifeline
        wait_for(lambda: not lifeline.is_possible, "the refusal")
        assert held(layer) == layer.admin.cut_off() == {}
        [told] = [each for each in caplog.records if each.levelname == "WARNING"]
        assert "Permit it: ACL SETUSER" in told.getMessage()
        assert "secret" not in told.getMessage()
        limited.disconnect()
    finally:
        with redis_server.client() as client:
            client.execute_command("ACL", "DELUSER", "bob")  # type: ignore[no-untyped-call]


def test_a_forked_child_does_not_keep_the_lifeline_of_its_parent(
    layer: RedisChannelLayer,
) -> None:
    layer.register("one", ABOUT)
    until_held(layer, "one")
    connection = layer._registrations.lifeline._connection
    own = lifelines.redis_py.socket_of(connection)
    assert own is not None
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, json.dumps(own.fileno()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100) == b"-1"
    os.close(reading)
    os.close(writing)
    assert subscribers(layer, "one") == 1
