"""The port of metrics of real processes, scraped as Prometheus does."""

import os
import re
import signal
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from channels_workers.channel import Channel
from channels_workers.layers.redis import RedisChannelLayer
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for

SETTINGS = """
    import os

    SECRET_KEY = "for these tests"
    ALLOWED_HOSTS = ["*"]
    INSTALLED_APPS = ["channels_workers"]
    ASGI_APPLICATION = "mysite.asgi.application"
    ROOT_URLCONF = "mysite.urls"
    CHANNEL_ROUTING = "mysite.consumers.channel_routing"
    CHANNEL_WORKERS = {"METRICS_PORT": os.environ.get("METRICS_PORT", "")}
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_workers.layers.redis.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
        },
    }
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "{levelname} {message}", "style": "{"}},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["out"], "level": "INFO"},
    }
"""
CONSUMERS = """
    import threading


    def count(message):
        pass


    def hold(message):
        if message["pid"] is None:
            threading.Event().wait()


    channel_routing = {"count": count, "hold": hold}
"""
ASGI = """
    import os
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    from channels_workers.asgi import get_application
    application = get_application()
"""

Samples = dict[str, float]
Run = Callable[..., Process]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "project" / "mysite"
    site.mkdir(parents=True)
    files = {"settings": SETTINGS, "consumers": CONSUMERS, "asgi": ASGI}
    files |= {"__init__": "", "urls": "urlpatterns = []"}
    for name, text in files.items():
        (site / f"{name}.py").write_text(textwrap.dedent(text))
    return site.parent


@pytest.fixture
def run(start_process: Processes, redis_server: RedisServer, folder: Path) -> Run:
    """`run(*command, env={})` starts a module of Python in the project."""

    def start(*command: str, env: Mapping[str, str] = {}) -> Process:
        environment = {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": f"{folder}:{ROOT}",
            "REDIS_URL": redis_server.url,
            **env,
        }
        return start_process([sys.executable, "-m", *command], name=command[0], env=environment)

    return start


@pytest.fixture
def layer(redis_server: RedisServer) -> RedisChannelLayer:
    return RedisChannelLayer(hosts=[redis_server.url])


def free_ports(count: int) -> range:
    """So many free ports in a row."""
    while True:
        first = free_port()
        with suppress(AssertionError):
            for port in range(first, first + count):
                with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}"):
                    raise AssertionError
            return range(first, first + count)


def scrape(port: int) -> Samples:
    """The samples of a process: `name{values}`, the values in the order of the labels' names."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        f"{sample.name}{{{','.join(value for _, value in sorted(sample.labels.items()))}}}": (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("channels_workers_")
    }


def scrape_all(ports: range) -> list[Samples]:
    found = []
    for port in ports:
        with suppress(OSError):
            found.append(scrape(port))
    return found


def total(ports: range, name: str) -> float:
    return sum(samples.get(f"channels_workers_{name}", 0) for samples in scrape_all(ports))


def roles(samples: Samples) -> set[str]:
    """What the process says that it is."""
    infos = [name for name in samples if name.startswith("channels_workers_process_info")]
    return {name.rstrip("}").rpartition(",")[2] for name in infos}


def served(process: Process, count: int) -> list[int]:
    """The ports that the log names, when there are so many of them."""

    def ports() -> list[int] | None:
        found = re.findall(r"INFO Metrics at http://127\.0\.0\.1:(\d+)/metrics", process.output)
        return [int(port) for port in found] if len(found) >= count else None

    return wait_for(ports, process.describe) or []


def test_each_worker_process_has_a_port(run: Run, layer: RedisChannelLayer) -> None:
    ports = free_ports(4)
    parent = run("django", "runworker", "--processes", "2", "--metrics-port", str(ports[0]))
    parent.wait_for_line("All 2 worker processes are ready")
    assert len(set(served(parent, 2)) & set(ports)) == 2
    for _ in range(30):
        Channel("count", channel_layer=layer).send({})
    runs = "runs_total{count,mysite.consumers.count,done}"
    wait_for(lambda: total(ports, runs) == 30, parent.describe)
    assert total(ports, "queue_wait_seconds_count{count}") == 30
    wait_for(lambda: total(ports, "commit_messages_sum{}") == 30, parent.describe)
    for samples in scrape_all(ports):
        assert samples["channels_workers_layer_available{}"] == 1
        assert samples["channels_workers_threads{}"] == 2
        assert 0 < samples["channels_workers_clock_error_seconds{}"] < 10
        assert "channels_workers_sockets{open}" not in samples
    assert parent.terminate() == 0


def test_a_roll_finds_other_ports(run: Run) -> None:
    ports = free_ports(2)
    parent = run("django", "runworker", "--processes", "1", "--metrics-port", str(ports[0]))
    parent.wait_for_line("All 1 worker processes are ready")
    parent.signal(signal.SIGHUP)
    parent.wait_for_line("All worker processes are replaced")
    assert served(parent, 2) == list(ports)
    assert "ERROR" not in parent.output


def test_a_worker_that_is_killed(run: Run, layer: RedisChannelLayer) -> None:
    first = run("django", "runworker", env={"METRICS_PORT": str(free_port())})
    [port] = served(first, 1)
    Channel("hold", channel_layer=layer).send({"pid": None})
    wait_for(lambda: scrape(port)["channels_workers_worker_threads_busy{}"] == 1, first.describe)
    second = run("django", "runworker", env={"METRICS_PORT": str(free_port())})
    [port] = served(second, 1)
    os.kill(first.pid, signal.SIGKILL)
    dead, handed = "processes_declared_dead_total{worker}", "deliveries_handed_over_total{hold}"
    for name in (dead, handed):
        wait_for(lambda name=name: scrape(port)[f"channels_workers_{name}"] == 1, second.describe)  # type: ignore[misc]
    second.signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("command", "count"),
    [
        (("daphne", "-b", "127.0.0.1", "-p", "{port}"), 1),
        (("uvicorn", "--port", "{port}", "--workers", "2", "--log-level", "warning"), 2),
        (
            ("gunicorn", "-b", "127.0.0.1:{port}", "-w", "2", "-k", "uvicorn_worker.UvicornWorker"),
            2,
        ),
    ],
    ids=["daphne", "uvicorn", "gunicorn"],
)
def test_interface_servers(command: tuple[str, ...], count: int, run: Run) -> None:
    ports = free_ports(count + 1)
    words = [word.format(port=free_port()) for word in command]
    server = run(*words, "mysite.asgi:application", env={"METRICS_PORT": f"{ports[0]}-{ports[-1]}"})
    assert len(set(served(server, count)) & set(ports)) == count
    for samples in scrape_all(ports):
        assert samples["channels_workers_layer_available{}"] == 1
        assert roles(samples) == {"server"}
        assert "channels_workers_worker_threads{}" not in samples
    assert "ERROR" not in server.output


def test_preloaded_code_opens_no_port_in_the_parent(run: Run) -> None:
    ports = free_ports(3)
    words = ("gunicorn", "--preload", "-b", f"127.0.0.1:{free_port()}", "-w", "2")
    options = ("-k", "uvicorn_worker.UvicornWorker", "mysite.asgi:application")
    server = run(*words, *options, env={"METRICS_PORT": f"{ports[0]}-{ports[-1]}"})
    assert sorted(served(server, 2)) == [ports[0], ports[1]]
    assert len(scrape_all(ports)) == 2


def test_a_port_that_is_in_use(run: Run, layer: RedisChannelLayer) -> None:
    port = free_port()
    first = run("django", "runworker", "--metrics-port", str(port))
    served(first, 1)
    second = run("django", "runworker", "--metrics-port", str(port))
    second.wait_for_line("ERROR No metrics of this process: no port of METRICS_PORT can be used")
    wait_for(lambda: len(layer.admin.status().workers) == 2, second.describe)
    assert "Traceback" not in second.output


def test_an_outage_of_redis(run: Run, redis_server: RedisServer) -> None:
    worker = run("django", "runworker", "--metrics-port", str(free_port()))
    [port] = served(worker, 1)
    wait_for(lambda: scrape(port)["channels_workers_layer_available{}"] == 1, worker.describe)
    redis_server.stop()
    try:
        wait_for(lambda: scrape(port)["channels_workers_layer_available{}"] == 0, worker.describe)
        errors = scrape(port)["channels_workers_redis_errors_total{connection}"]
        assert errors > 0
        assert "Traceback" not in worker.output
    finally:
        redis_server.start()
    wait_for(lambda: scrape(port)["channels_workers_layer_available{}"] == 1, worker.describe)


def test_the_port_without_the_package(run: Run, folder: Path) -> None:
    (folder / "prometheus_client.py").write_text("raise ImportError('not installed')\n")
    worker = run("django", "runworker", "--metrics-port", str(free_port()))
    assert worker.wait() == 1
    assert "pip install 'channels-workers[metrics]'" in worker.output
    assert "Traceback" not in worker.output


def test_runserver(run: Run) -> None:
    port, page = free_port(), free_port()
    env = {"METRICS_PORT": str(port)}
    server = run("django", "runserver", "--noreload", f"127.0.0.1:{page}", env=env)
    wait_for(lambda: served(server, 1), server.describe)
    samples = scrape(port)
    assert roles(samples) == {"worker", "server"}
    assert samples["channels_workers_worker_threads{}"] == 4
