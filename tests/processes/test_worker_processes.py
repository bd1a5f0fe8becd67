"""`runworker --processes` and `--reload` in a small project, with a real Redis."""

import math
import os
import re
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from channels_workers.channel import Channel
from channels_workers.layers.redis import RedisChannelLayer
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for

SETTINGS = """
    import os

    SECRET_KEY = "for these tests"
    INSTALLED_APPS = ["channels_workers", "words"]
    CHANNEL_ROUTING = "words.routing.channel_routing"
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        },
    }
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "{processName} {levelname} {message}", "style": "{"}},
        "filters": {"message": {"()": "channels_workers.logs.filters.CurrentMessage"}},
        "handlers": {
            "out": {
                "class": "logging.StreamHandler", "formatter": "line", "filters": ["message"]
            },
        },
        "root": {"handlers": ["out"], "level": "INFO"},
    }
"""
CONSUMERS = """
    import os

    import redis

    from words.word import WORD

    client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=60)


    def say(message):
        client.rpush("said", f"{WORD} {os.getpid()}")


    def hold(message):
        client.rpush("said", "begun")
        client.blpop("go on", 50)
        client.rpush("said", "finished")
"""
ROUTING = "from words.consumers import hold, say\n\nchannel_routing = {'hold': hold, 'say': say}\n"

RunWorkers = Callable[..., Process]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project."""
    app = tmp_path / "project" / "words"
    app.mkdir(parents=True)
    (app.parent / "small_settings.py").write_text(textwrap.dedent(SETTINGS))
    (app / "__init__.py").touch()
    (app / "consumers.py").write_text(textwrap.dedent(CONSUMERS))
    (app / "routing.py").write_text(ROUTING)
    write_word(app.parent, "'old'")
    return app.parent


def write_word(folder: Path, expression: str) -> None:
    new = folder / "words" / "new"
    new.write_text(f"WORD = {expression}\n")
    new.replace(folder / "words" / "word.py")  # nobody reads half a file


@pytest.fixture
def run_workers(start_process: Processes, redis_server: RedisServer, folder: Path) -> RunWorkers:
    """`run_workers(*options)` starts the command."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "small_settings",
        "PYTHONPATH": f"{folder}:{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "REDIS_URL": redis_server.url,
    }

    def run(*options: str) -> Process:
        command = [sys.executable, "-m", "django", "runworker", *options]
        return start_process(command, name="runworker", env=environment)

    return run


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with redis_server.client() as client:
        yield client


@pytest.fixture
def layer(redis_server: RedisServer) -> RedisChannelLayer:
    return RedisChannelLayer(hosts=[redis_server.url])


def send(layer: RedisChannelLayer, channel: str, number: int = 1) -> None:
    for _ in range(number):
        Channel(channel, channel_layer=layer).send({})


def said(redis: Redis) -> list[str]:
    return [entry.decode() for entry in redis.lrange("said", 0, -1)]


def wait_until_said(redis: Redis, number: int) -> None:
    wait_for(lambda: len(said(redis)) >= number, f"{number} messages to run")
    assert len(said(redis)) == number


def workers(layer: RedisChannelLayer) -> dict[int, str]:
    """The registered workers: their process ids and names."""
    return {worker.about.pid: worker.id for worker in layer.admin.status().workers}


def wait_until_ready(parent: Process, number: int) -> None:
    parent.wait_for_line(f"MainProcess INFO All {number} worker processes are ready$")


def test_each_process_is_a_worker_of_its_own(
    run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis
) -> None:
    parent = run_workers("--processes", "2", "--threads", "2")
    wait_until_ready(parent, 2)
    known = workers(layer)
    assert len(known) == len(set(known.values())) == 2
    for number, pid in re.findall(r"process (\d) of 2 \(pid (\d+)\): 2 thread", parent.output):
        line = (
            rf"^worker-{number} INFO Worker {known[int(pid)]}, process {number} of 2 \(pid {pid}\)"
        )
        parent.wait_for_line(line)
    send(layer, "say", 40)
    wait_for(lambda: len(said(redis)) == 40, parent.describe)
    assert {int(line.split()[1]) for line in said(redis)} <= set(known)
    assert parent.terminate() == 0
    assert workers(layer) == {}


def test_the_parent_loads_little_and_connects_to_nothing(
    run_workers: RunWorkers, layer: RedisChannelLayer
) -> None:
    parent = run_workers("--processes", "1")
    wait_until_ready(parent, 1)
    [pid] = workers(layer)
    assert internet_sockets(pid)
    assert not internet_sockets(parent.pid)
    assert "_cmsgpack" in libraries(pid)  # of the engine
    assert "_cmsgpack" not in libraries(parent.pid)
    assert parent.memory < memory(pid)


def internet_sockets(pid: int) -> set[str]:
    """The TCP sockets of the process, as inodes."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:")}
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return inodes & {line.split()[9] for line in table}


def libraries(pid: int) -> set[str]:
    """The compiled modules that the process has loaded."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {
        Path(path).name.partition(".")[0] for path in re.findall(r"/.*\.so$", maps, re.MULTILINE)
    }


def memory(pid: int) -> int:
    [line] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(line)


def test_logging_may_be_made_of_objects(run_workers: RunWorkers, folder: Path) -> None:
    with (folder / "small_settings.py").open("a") as file:
        file.write("import logging\nLOGGING['formatters']['line']['()'] = logging.Formatter\n")
        file.write("LOGGING['formatters']['line']['fmt'] = '{processName} {levelname} {message}'\n")
    wait_until_ready(run_workers("--processes", "1"), 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_consumers_finish(
    number: signal.Signals, run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis
) -> None:
    parent = run_workers("--processes", "2")
    wait_until_ready(parent, 2)
    send(layer, "hold", 2)
    wait_for(lambda: said(redis) == ["begun"] * 2, parent.describe)
    os.killpg(parent.pid, number)  # each process gets it, as from a terminal
    wait_for(lambda: parent.output.count("Stopping: running") == 2, parent.describe)
    redis.rpush("go on", "now", "now")
    assert parent.wait() == 0
    assert said(redis)[2:] == ["finished"] * 2
    assert parent.output.count("Worker stopped") == 2
    assert workers(layer) == {}


def test_the_death_of_the_parent_stops_the_workers_in_order(
    run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis
) -> None:
    parent = run_workers("--processes", "2")
    wait_until_ready(parent, 2)
    send(layer, "hold")
    wait_for(lambda: said(redis) == ["begun"], parent.describe)
    parent.signal(signal.SIGKILL)
    parent.wait_for_line("WARNING The parent process is gone, so this worker stops$")
    redis.rpush("go on", "now")
    wait_for(lambda: said(redis)[1:] == ["finished"], parent.describe)
    wait_for(lambda: not workers(layer), parent.describe)


def test_sighup_loads_new_code_without_a_gap(
    run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis, folder: Path
) -> None:
    parent = run_workers("--processes", "2")
    wait_until_ready(parent, 2)
    old = workers(layer)
    write_word(folder, "'new'")
    parent.signal(signal.SIGHUP)
    sent = 0
    while "All worker processes are replaced" not in parent.output:
        send(layer, "say")
        sent += 1
        wait_until_said(redis, sent)
    send(layer, "say", 10)
    wait_until_said(redis, sent + 10)
    words = [line.split()[0] for line in said(redis)]
    assert words[0] == "old"
    assert words[-10:] == ["new"] * 10
    assert not set(old) & set(workers(layer))
    assert "cleaned up" not in parent.output, "An old worker was taken for dead."


def test_broken_code_leaves_the_old_workers_running(
    run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis, folder: Path
) -> None:
    parent = run_workers("--processes", "2")
    wait_until_ready(parent, 2)
    old = workers(layer)
    write_word(folder, "no code")
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("MainProcess ERROR .*Those that are not replaced run the old code$")
    assert "SyntaxError" in parent.output
    send(layer, "say")
    wait_for(lambda: len(said(redis)) == 1, parent.describe)
    assert workers(layer) == old


def test_sighup_to_a_worker_changes_nothing(
    run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis
) -> None:
    """systemctl kill, and a closed terminal, signal all processes."""
    parent = run_workers("--processes", "1")
    wait_until_ready(parent, 1)
    [pid] = workers(layer)
    os.kill(pid, signal.SIGHUP)
    send(layer, "say")
    wait_for(lambda: said(redis) == [f"old {pid}"], parent.describe)


def test_what_no_worker_can_do_is_refused_once(run_workers: RunWorkers) -> None:
    parent = run_workers("--processes", "3", "--only-channels", "nothing")
    assert parent.wait() == 1
    [line] = parent.lines
    assert "No channel is left to listen to" in line


def test_one_process_per_core(run_workers: RunWorkers) -> None:
    parent = run_workers("--processes", "auto")
    parent.wait_for_line(r"All \d+ worker processes are ready$")


# --reload


def test_reload_loads_changed_code(
    run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis, folder: Path
) -> None:
    parent = run_workers("--reload")
    wait_until_ready(parent, 1)
    [old] = workers(layer)
    send(layer, "hold")
    wait_for(lambda: said(redis) == ["begun"], parent.describe)
    wait_until_shown(parent, folder, "'new'", "Replacing the worker processes")
    parent.wait_for_line(r"word\.py changed, reloading\.$")
    redis.rpush("go on", "now")
    parent.wait_for_line("All worker processes are replaced$")
    assert said(redis) == ["begun", "finished"]
    wait_for(lambda: len(workers(layer)) == 1, parent.describe)
    assert old not in workers(layer)
    send(layer, "say")
    wait_for(lambda: said(redis)[2:] and said(redis)[-1].startswith("new"), parent.describe)


def test_reload_waits_for_the_cure_of_broken_code(
    run_workers: RunWorkers, layer: RedisChannelLayer, redis: Redis, folder: Path
) -> None:
    parent = run_workers("--reload")
    wait_until_ready(parent, 1)
    wait_until_shown(parent, folder, "no code", "run the old code")
    wait_until_shown(parent, folder, "'cured'", "All worker processes are replaced")
    send(layer, "say")
    wait_for(lambda: said(redis), parent.describe)
    assert said(redis)[0].startswith("cured")


def wait_until_shown(parent: Process, folder: Path, expression: str, text: str) -> None:
    """Write the file until it is shown: Django's reloader misses changes before its first look."""
    written_at = -math.inf

    def is_shown() -> bool:
        nonlocal written_at
        if text in parent.output:
            return True
        if time.monotonic() - written_at > 10:
            write_word(folder, expression)
            written_at = time.monotonic()
        return False

    parent.wait_for_line("worker-1 INFO Watching the code for changes$")
    wait_for(is_shown, parent.describe)
