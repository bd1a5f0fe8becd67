"""The metrics in the registry of a project, with several processes, and not at all."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from channels_workers import recorder
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.metrics import register
from channels_workers.metrics.instruments import Instruments
from labs.harness.processes import clean_environment

#: A small project whose consumer runs five messages.
PROGRAM = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["channels_workers"],
    CHANNEL_ROUTING=[],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}},
    CHANNEL_WORKERS=%r,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
%s
from channels_workers.asgi import get_application
from channels_workers.channel import Channel
from channels_workers.registry import get_channel_layer
from channels_workers.routing import Router
from channels_workers.worker.group import WorkerGroup
get_application()
import threading
ran = threading.Semaphore(0)
group = WorkerGroup(get_channel_layer(), router=Router({"one": lambda message: ran.release()}))
group.start()
for _ in range(5):
    Channel("one").send({})
    assert ran.acquire(timeout=60)
group.stop()
assert group.join(60)
%s
"""

BEFORE = """
from prometheus_client import REGISTRY, generate_latest
from channels_workers.metrics import register
register(REGISTRY)
"""
SHOW = """
print(generate_latest(REGISTRY).decode())
"""
SHOW_ALL = """
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
everything = CollectorRegistry()
MultiProcessCollector(everything)
print(generate_latest(everything).decode())
"""
NOT_THERE = """
parts = "prometheus", "channels_workers.metrics"
print(sorted(name for name in sys.modules if any(part in name for part in parts)))
"""


def run(before: str, after: str, setting: dict[str, object] | None = None, **env: str) -> str:
    program = PROGRAM % (setting or {}, before, after)
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**clean_environment(), **env},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def runs_in(text: str) -> float:
    """The runs of all consumers in an answer to Prometheus."""
    families = {each.name: each for each in text_string_to_metric_families(text)}
    found = families["channels_workers_runs"].samples
    return sum(sample.value for sample in found if sample.name.endswith("_total"))


def test_a_registry_of_the_project(
    instruments: Instruments, memory_layer: InMemoryChannelLayer
) -> None:
    registry = CollectorRegistry()
    for _ in range(2):
        register(registry)
    instruments.worker.ran("consumer", "one", "done", 0.1)
    names = [
        each.name for each in text_string_to_metric_families(generate_latest(registry).decode())
    ]
    assert len(names) == len(set(names))
    assert {"channels_workers_runs", "channels_workers_layer_available"} <= set(names)
    assert all(name.startswith("channels_workers_") for name in names)


def test_it_begins_to_record(memory_layer: InMemoryChannelLayer) -> None:
    recorder.use(None)
    try:
        register(CollectorRegistry())
        assert recorder.current() is not None
    finally:
        recorder.use(None)


def test_a_late_beginning_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    recorder.use(None)
    try:
        assert recorder.instruments() is None
        register(CollectorRegistry())
        assert "Metrics begin after parts of the engine have started" in caplog.text
    finally:
        recorder.use(None)


def test_the_registry_of_the_library() -> None:
    shown = run(BEFORE, SHOW)
    assert runs_in(shown) == 5
    assert "python_info" in shown


def test_several_processes_of_a_project(tmp_path: Path) -> None:
    """The library keeps values in files, which a page of the project adds up."""
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    assert runs_in(run(BEFORE, SHOW, **environment)) == 5
    shown = run(BEFORE, SHOW_ALL, **environment)
    assert runs_in(shown) == 10
    assert "channels_workers_worker_threads" not in shown, "which only a port shows"


def test_without_metrics_nothing_is_imported() -> None:
    assert run("", NOT_THERE) == "[]\n"


def test_with_a_port_it_is() -> None:
    assert "channels_workers.metrics.worker" in run("", NOT_THERE, {"METRICS_PORT": 9100})
