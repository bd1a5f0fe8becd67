import io
import logging
import re
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.management.commands import runworker
from channels_workers.routing import Router
from channels_workers.worker.group import WorkerGroup
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for

REDIS = "channels_workers.layers.redis.RedisChannelLayer"

#: Settings and consumers of the project of these tests.
PROJECT = """
    import asyncio
    import os
    import sys
    import time

    import redis
    from channels_workers import route
    from channels_workers.signals import worker_process_ready, worker_ready

    SECRET_KEY = "for these tests"
    INSTALLED_APPS = ["channels_workers"]
    CHANNEL_ROUTING = "project.routing"
    CHANNEL_WORKERS = {"STOP_TIMEOUT": 1 if "endless" in sys.argv else 25}
    CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"},
        "redis": {"BACKEND": %r, "CONFIG": {"hosts": [os.environ["REDIS_URL"]]}},
        "shards": {"BACKEND": %r, "CONFIG": {"hosts": os.environ["SHARDS"].split()}},
    }


    def write(*words):
        sys.stdout.write(" ".join(map(str, words)) + "\\n")  # one write: threads do not mix


    def say(message):
        write("said", message["text"])


    def hold(message):
        write("begun", message["text"])
        with redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=40) as client:
            client.blpop("go on", 30)
        write("finished", message["text"])


    async def endless(message):
        write("begun", message["text"])
        await asyncio.to_thread(time.sleep, 600)


    def process_ready(sender, **kwargs):
        write("process ready", type(sender).__name__, len(sender.workers))


    def thread_ready(sender, **kwargs):
        write("thread ready", type(sender).__name__)


    worker_process_ready.connect(process_ready)
    worker_ready.connect(thread_ready)
    routing = [route("say", say), route("hold", hold), route("endless", endless)]
"""

RunWorker = Callable[..., Process]


@pytest.fixture
def run_worker(start_process: Processes, redis_server: RedisServer, tmp_path: Path) -> RunWorker:
    """`run_worker(*options)` starts the command in a separate project on the Redis layer."""
    (tmp_path / "project.py").write_text(textwrap.dedent(PROJECT % (REDIS, REDIS)))
    environment = {
        "DJANGO_SETTINGS_MODULE": "project",
        "PYTHONPATH": str(tmp_path),
        "REDIS_URL": redis_server.url,
        "SHARDS": f"{redis_server.url} {redis_server.url.removesuffix('0')}1",
    }

    def run(*options: str) -> Process:
        command = [sys.executable, "-m", "django", "runworker", "--layer", "redis", *options]
        return start_process(command, name="runworker", env=environment)

    return run


@pytest.fixture
def redis_layer(redis_server: RedisServer) -> RedisChannelLayer:
    return RedisChannelLayer(hosts=[redis_server.url])


def send(layer: RedisChannelLayer, channel: str, text: str) -> None:
    Channel(channel, channel_layer=layer).send({"text": text})


# What is refused


def test_the_command_is_ours() -> None:
    assert get_commands()["runworker"] == "channels_workers"


def test_the_memory_layer_is_refused_with_the_remedy(
    memory_layer: InMemoryChannelLayer,
) -> None:
    expected = "You cannot span multiple processes with the in-memory layer."
    with pytest.raises(CommandError, match=expected) as caught:
        call_command("runworker")
    assert REDIS in str(caught.value)
    assert "manage.py runserver" in str(caught.value)


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", ""])
def test_the_thread_count_must_be_positive(number: str) -> None:
    with pytest.raises(CommandError, match=rf"must be a number from 1 on, not '{number}'"):
        call_command("runworker", "--threads", number)


@pytest.mark.parametrize("number", ["0", "-1", "all", ""])
def test_the_number_of_processes_must_be_positive(number: str) -> None:
    with pytest.raises(CommandError, match=rf"must be a number from 1 on.*, not '{number}'"):
        call_command("runworker", "--processes", number)


@pytest.mark.parametrize("options", [["--processes", "2"], ["--processes", "auto"], ["--reload"]])
def test_only_a_command_line_can_be_started_again(options: list[str], settings: Settings) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": {"hosts": [url]}}}
    with pytest.raises(CommandError, match="Start it as 'manage.py runworker'"):
        call_command("runworker", *options)


def test_an_unconfigured_layer_is_named(memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(CommandError, match="has no 'other'"):
        call_command("runworker", "--layer", "other")


def test_globs_that_match_no_channel_are_refused(settings: Settings) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": REDIS, "CONFIG": {"hosts": [url]}}}
    with pytest.raises(CommandError, match="No channel is left to listen to"):
        call_command("runworker", "--only-channels", "thumbnails.*", stdout=io.StringIO())


# A process


def test_it_logs_its_channels_and_runs_messages(
    run_worker: RunWorker, redis_layer: RedisChannelLayer
) -> None:
    worker = run_worker()
    line = worker.wait_for_line(r"^Worker \w{16}: 1 thread\(s\) on RedisChannelLayer\(redis://")
    channels = "endless, hold, say, websocket.connect, websocket.disconnect, websocket.receive"
    assert line.string.endswith(f"listening on channels {channels}")
    send(redis_layer, "say", "hi")
    worker.wait_for_line("^said hi$")


def test_it_logs_the_threads_of_the_process_and_its_shards(run_worker: RunWorker) -> None:
    worker = run_worker("--layer", "shards", "--threads", "2")
    worker.wait_for_line(r"^Worker \w{16}: 2 thread\(s\) on RedisChannelLayer with 2 shards \(0: ")


def test_threads_and_signals(run_worker: RunWorker, redis_layer: RedisChannelLayer) -> None:
    worker = run_worker("--threads", "2")
    worker.wait_for_line(r"^process ready WorkerGroup 2$")
    send(redis_layer, "hold", "one")
    send(redis_layer, "hold", "two")
    worker.wait_for_line("^begun one$")
    worker.wait_for_line("^begun two$")
    assert worker.output.count("thread ready Worker") == 2
    assert worker.output.index("process ready") < worker.output.index("thread ready")
    let_go(redis_layer, 2)
    worker.wait_for_line("^finished two$")


def let_go(layer: RedisChannelLayer, number: int) -> None:
    layer.client.redis.rpush("go on", *["now"] * number)


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        (["--only-channels", "s*"], "say"),
        (["--only-channels", "say", "--only-channels", "hold"], "hold, say"),
        (["--exclude-channels", "websocket.*", "--exclude-channels", "h?ld"], "endless, say"),
    ],
)
def test_channels_can_be_selected(options: list[str], channels: str, run_worker: RunWorker) -> None:
    run_worker(*options).wait_for_line(f"listening on channels {re.escape(channels)}$")


def test_it_leaves_other_channels_to_others(
    run_worker: RunWorker, redis_layer: RedisChannelLayer
) -> None:
    worker = run_worker("--exclude-channels", "hold")
    send(redis_layer, "hold", "not mine")
    send(redis_layer, "say", "mine")
    worker.wait_for_line("^said mine$")
    assert worker.terminate() == 0
    assert "begun" not in worker.output
    assert redis_layer.length("hold") == 1


def test_verbosity_logs_each_message(run_worker: RunWorker, redis_layer: RedisChannelLayer) -> None:
    quiet, loud = run_worker("--only-channels", "hold"), run_worker("-v", "2")
    quiet.wait_for_line("^Worker ")
    send(redis_layer, "say", "hi")
    loud.wait_for_line(r"^say \w{16}\.1$")
    loud.wait_for_line("^said hi$")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_messages_in_flight_and_leaves_the_rest(
    number: signal.Signals, run_worker: RunWorker, redis_layer: RedisChannelLayer
) -> None:
    worker = run_worker()
    send(redis_layer, "hold", "one")
    worker.wait_for_line("^begun one$")
    send(redis_layer, "hold", "two")
    worker.signal(number)
    worker.wait_for_line("^Stopping: running consumers finish first$")
    let_go(redis_layer, 1)
    worker.wait_for_line("^finished one$")
    assert worker.wait() == 0
    assert worker.lines[-1] == "Worker stopped"
    assert "begun two" not in worker.output
    [left] = redis_layer.pull(["hold"], "worker of the test", 10)
    assert redis_layer.content(left) == {"text": "two"}


def test_the_last_log_lines_have_the_current_id(
    memory_layer: InMemoryChannelLayer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    group = WorkerGroup(memory_layer, router=Router({}))
    former = group.process

    def wait_until_renamed() -> None:
        group.wait_until_known()
        counters = memory_layer.admin.processes
        wait_for(
            lambda: memory_layer.admin.mark_dead(former, counters().get(former, 0)), "the mistake"
        )
        wait_for(lambda: group.process != former, "a new name")

    monkeypatch.setattr(
        runworker, "StopSignals", lambda ignored: SimpleNamespace(wait=wait_until_renamed)
    )
    with caplog.at_level(logging.INFO, runworker.logger.name):
        runworker.Command().run(group)
    lines = [each for each in caplog.records if each.name == runworker.logger.name]
    names = [(each.__dict__["event"], each.__dict__["process_id"]) for each in lines]
    last = [("worker_stops", group.process), ("worker_stopped", group.process)]
    assert names == [("worker_starts", former), *last]
    memory_layer.admin.clean_up(former)


def test_it_exits_although_a_thread_of_a_consumer_still_runs(
    run_worker: RunWorker, redis_layer: RedisChannelLayer
) -> None:
    """Python itself waits for the threads of to_thread() and sync_to_async() without limit."""
    worker = run_worker("--only-channels", "endless")
    send(redis_layer, "endless", "one")
    worker.wait_for_line("^begun one$")
    assert worker.terminate() == 0
    assert "Worker stopped, not all finished" in worker.output
    assert "The process ends although threads of consumers still run" in worker.output
    [left] = redis_layer.pull(["endless"], "worker of the test", 10)
    assert redis_layer.content(left) == {"text": "one"}


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(
    second: signal.Signals, run_worker: RunWorker, redis_layer: RedisChannelLayer
) -> None:
    worker = run_worker()
    send(redis_layer, "hold", "one")
    worker.wait_for_line("^begun one$")
    worker.signal(signal.SIGTERM)
    worker.wait_for_line("^Stopping")
    worker.signal(second)
    assert worker.wait() == -second


def test_an_idle_worker_stops_and_unregisters(
    run_worker: RunWorker, redis_layer: RedisChannelLayer
) -> None:
    worker = run_worker()
    processes = f"{redis_layer.client.prefix}processes"
    wait_for(lambda: redis_layer.client.redis.hlen(processes), "the registration of the worker")
    assert worker.terminate() == 0
    assert redis_layer.client.redis.hlen(processes) == 0


def test_it_waits_for_an_unreachable_redis(
    run_worker: RunWorker, redis_layer: RedisChannelLayer, redis_server: RedisServer
) -> None:
    redis_server.stop()
    try:
        worker = run_worker()
        address = re.escape(redis_server.url)
        worker.wait_for_line(f"Redis at {address} does not answer .* Trying again")
    finally:
        redis_server.start()
    send(redis_layer, "say", "hi")
    worker.wait_for_line("^said hi$")
    assert worker.terminate() == 0
