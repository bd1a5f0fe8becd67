"""deploy/autoscale: its decisions, and workers that come and go with the load."""

import importlib.util
import re
import sys
import textwrap
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
from redis import Redis

from channels_workers.channel import Channel
from channels_workers.layers.redis import RedisChannelLayer
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for

PROGRAM = ROOT / "deploy" / "autoscale"


def load_program() -> ModuleType:
    loader = SourceFileLoader("autoscale", str(PROGRAM))
    spec = importlib.util.spec_from_loader("autoscale", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules["autoscale"] = module  # for dataclasses
    write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = write
    return module


autoscale = load_program()
CALM = {"oldest": 0.0, "busy": 0.1, "workers": 1}
LATE = {"oldest": 3.0, "busy": 0.1, "workers": 1}
BUSY = {"oldest": 0.0, "busy": 0.9, "workers": 1}
FAIR = {"oldest": 1.0, "busy": 0.5, "workers": 1}


def scaler(number: int = 2) -> autoscale.Scaler:  # type: ignore[name-defined]
    limits = autoscale.Limits(1, 5, age=2, busy=0.8, idle=0.3, patience=300, settle=60)
    return autoscale.Scaler(limits, number)


@pytest.mark.parametrize("load", [LATE, BUSY])
@pytest.mark.parametrize(("number", "then"), [(1, 2), (2, 3), (3, 4), (4, 5), (5, 5)])
def test_load_adds_workers_up_to_the_limit(load: dict[str, float], number: int, then: int) -> None:
    assert scaler(number).decide(load, 0) == then


def test_new_workers_get_time_to_work() -> None:
    scales = scaler()
    scales.note(3, 100.0)
    assert scales.decide(LATE, 159.0) == 3
    assert scales.decide(LATE, 160.0) == 4


def test_workers_leave_one_by_one_after_a_calm_time() -> None:
    scales = scaler(3)
    assert [scales.decide(CALM, now) for now in (0.0, 299.0, 300.0)] == [3, 3, 2]
    scales.note(2, 300.0)
    assert [scales.decide(CALM, now) for now in (310.0, 609.0, 610.0)] == [2, 2, 1]
    scales.note(1, 610.0)
    assert scales.decide(CALM, 2000.0) == scales.decide(CALM, 3000.0) == 1


@pytest.mark.parametrize("load", [FAIR, LATE])
def test_load_ends_a_calm_time(load: dict[str, float]) -> None:
    scales = scaler()
    scales.decide(CALM, 0.0)
    scales.decide(load, 290.0)
    assert scales.decide(CALM, 300.0) <= scales.decide(CALM, 310.0) == 2


@pytest.mark.parametrize(("number", "bounded"), [(0, 1), (3, 3), (9, 5)])
def test_the_first_number_keeps_the_limits(number: int, bounded: int) -> None:
    assert scaler(number).number == bounded


@pytest.mark.parametrize("options", [["--min", "0"], ["--min", "6"], ["--each", "0"]])
def test_impossible_limits_are_refused(options: list[str], start_process: Processes) -> None:
    process = start_process([PROGRAM, "http://x/", "true", *options])
    assert process.wait() == 2
    assert "--max is not below --min" in process.output


def test_trouble_is_said_once_and_tried_again(start_process: Processes) -> None:
    url = f"http://127.0.0.1:{free_port()}/load"
    process = start_process([PROGRAM, url, "true", "--every", "0.01"])
    process.wait_for_line("was to answer with the load: .*refused.*Trying again$")
    assert process.is_running
    process.terminate()
    assert len(process.lines) == 1


# The whole, with real workers

SETTINGS = """
    import os

    SECRET_KEY = "for these tests"
    INSTALLED_APPS = ["channels_workers"]
    CHANNEL_ROUTING = "consumers.channel_routing"
    CHANNEL_WORKERS = {"LOAD_PATH": "/load"}
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        },
    }
"""
CONSUMERS = """
    import os

    import redis

    client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=300)


    def work(message):
        client.blpop("go on", 250)


    channel_routing = {"work": work}
"""
APPLICATION = "from channels_workers.asgi import get_application\napplication = get_application()\n"


class Formation:
    """The worker processes, which follow the number that the command has written."""

    def __init__(self, start: Processes, folder: Path, env: dict[str, str]) -> None:
        self.start, self.env = start, env
        self.wanted = folder / "wanted"
        self.workers: list[Process] = []
        self.seen: list[int] = []

    def follow(self) -> int:
        """Start and stop workers; return their number."""
        wanted = int(self.wanted.read_text() or 1) if self.wanted.exists() else 1
        while len(self.workers) < wanted:
            command = [sys.executable, "-m", "django", "runworker", "--only-channels", "work"]
            worker = self.start(command, name="worker", env=self.env)
            worker.wait_for_line("^Worker ")
            self.workers.append(worker)
        while len(self.workers) > wanted:
            assert self.workers.pop().terminate() == 0
        if not self.seen or self.seen[-1] != wanted:
            self.seen.append(wanted)
        return wanted


@pytest.fixture
def env(redis_server: RedisServer, tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "small.py").write_text(textwrap.dedent(SETTINGS))
    (folder / "consumers.py").write_text(textwrap.dedent(CONSUMERS))
    (folder / "application.py").write_text(APPLICATION)
    return {
        "DJANGO_SETTINGS_MODULE": "small",
        "PYTHONPATH": f"{folder}:{ROOT}",
        "REDIS_URL": redis_server.url,
    }


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client() as client:
        yield client


def test_workers_come_and_go_with_the_load(
    start_process: Processes,
    env: dict[str, str],
    redis: Redis,
    redis_server: RedisServer,
    tmp_path: Path,
) -> None:
    formation = Formation(start_process, tmp_path, env)
    formation.follow()
    port = free_port()
    command = ["daphne", "-v", "0", "-p", str(port), "application:application"]
    start_process(command, name="daphne", env=env).wait_until_listening(port)
    write = f"sh -c 'echo {{}} >{formation.wanted}'"
    fast = ("--max", "3", "--every", "0.2", "--age", "0.5", "--settle", "5", "--patience", "2")
    scales = start_process([PROGRAM, f"http://127.0.0.1:{port}/load", write, *fast])
    layer = RedisChannelLayer(hosts=[redis_server.url])
    for _ in range(12):
        Channel("work", channel_layer=layer).send({})
    wait_for(lambda: formation.follow() == 3, scales.describe, 120)
    redis.rpush("go on", *["now"] * 12)
    wait_for(lambda: formation.follow() == 1, scales.describe, 120)
    # While a worker stops, which takes a while, the number may be lowered again.
    assert formation.seen in ([1, 2, 3, 2, 1], [1, 2, 3, 1])
    # The number is written before the line about it.
    expected = [("1", "2"), ("2", "3"), ("3", "2"), ("2", "1")]
    line = re.compile(r"^(\d) -> (\d) workers: \{", re.MULTILINE)
    wait_for(lambda: line.findall(scales.output) == expected, scales.describe)
    assert layer.length("work") == 0
