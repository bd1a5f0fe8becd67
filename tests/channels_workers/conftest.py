"""Shared by the tests of the engine's modules.

memory_layer
    A new memory layer, installed as the default of `CHANNEL_LAYERS`.
client_socket
    A `Client` of that layer that has published nothing yet.
connected
    The same client with its handshake queued.
start_group
    `start_group(routing, layer=None, **options)` starts a `WorkerGroup` that ends with the test.
redis_cluster
    A real Redis server in cluster mode.
run_next
    `run_next(consumer, *channels)` runs the only queued message with the consumer and commits, as a
    worker does, but requeues it at once after ConsumeLater. By default `channels` are those of
    WebSockets.
registered
    Unregisters the data bindings of a test at its end.
views
    `views(view, *middleware)` makes *view* answer every path, behind this middleware only.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest
from channels.layers import channel_layers
from django.dispatch import Signal
from django.urls import re_path
from pytest_django import Settings

from channels_workers.binding.base import BindingMetaclass
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import (
    Committed,
    Finished,
)
from channels_workers.routing import Router
from channels_workers.worker import batch, thread
from channels_workers.worker.commit import dead_letter, finish, put_back
from channels_workers.worker.dispatch import dispatch
from channels_workers.worker.event_loop import EventLoop
from channels_workers.worker.group import WorkerGroup
from labs.harness.ports import PORTS, free_port
from labs.harness.redis_server import RedisServer
from tests.channels_workers.clients import Client, pull_one
from tests.channels_workers.consumers import TIMEOUT, StartGroup

#: Offset of the cluster bus port from the port of a Redis in cluster mode.
CLUSTER_BUS = 10_000

MEMORY = "channels_workers.layers.memory.InMemoryChannelLayer"


@contextmanager
def heard(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    """The keyword arguments of each *signal* that is sent meanwhile."""
    calls: list[dict[str, Any]] = []

    def hear(**arguments: Any) -> None:
        calls.append(arguments)

    signal.connect(hear)
    try:
        yield calls
    finally:
        signal.disconnect(hear)


class Views(Protocol):
    def __call__(self, view: Callable[..., Any], *middleware: str) -> None: ...


class RunNext(Protocol):
    """Runs one message. The docstring of this module has details."""

    def __call__(self, consumer: Callable[..., Any], *channels: str) -> Committed: ...


@pytest.fixture
def memory_layer(settings: Settings) -> Iterator[InMemoryChannelLayer]:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": MEMORY}}
    layer = channel_layers["default"]
    assert isinstance(layer, InMemoryChannelLayer)
    yield layer
    assert not layer.store.stream_listeners, "Somebody still waits for messages of this layer."


@pytest.fixture
def client_socket(memory_layer: InMemoryChannelLayer) -> Client:
    return Client(memory_layer)


@pytest.fixture
def connected(client_socket: Client) -> Client:
    """A connection whose handshake is queued."""
    client_socket.connect()
    return client_socket


@pytest.fixture
def redis_cluster(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, "--cluster-enabled", "yes", port=free_cluster_port())
    server.start()
    yield server
    server.stop()


def free_cluster_port() -> int:
    """A free port whose bus port, 10,000 above it, is also free and in the range."""
    while True:
        port = free_port()
        with suppress(OSError):
            if port + CLUSTER_BUS in PORTS:
                socket.create_server(("127.0.0.1", port + CLUSTER_BUS)).close()
                return port


@pytest.fixture
def run_next(memory_layer: InMemoryChannelLayer) -> Iterator[RunNext]:
    loop = EventLoop()

    def run(consumer: Callable[..., Any], *channels: str) -> Committed:
        delivery = pull_one(memory_layer, *channels)
        router = Router({delivery.channel: consumer})
        outcome = dispatch(delivery, memory_layer, router, loop.run)
        if outcome.unreadable is not None:
            return dead_letter(delivery, memory_layer, str(outcome.unreadable))
        if outcome.is_put_off:
            return put_back(delivery, memory_layer, outcome.error)
        finished = Finished(delivery, outcome.operations, outcome.session, outcome.ends)
        return finish(finished, memory_layer)

    yield run
    loop.stop()


@pytest.fixture
def start_group(
    memory_layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartGroup]:
    for module in (batch, thread):  # an idle worker stops at its next pull
        monkeypatch.setattr(module, "PULL_TIMEOUT", 0.1)
    groups: list[WorkerGroup] = []

    def start(routing: Any, layer: Any = None, **options: Any) -> WorkerGroup:
        group = WorkerGroup(layer or memory_layer, router=Router(routing), **options)
        groups.append(group)
        group.start()
        return group

    yield start
    for group in groups:
        group.stop()
    for group in groups:
        assert group.join(TIMEOUT), "A consumer of the test does not return."


@pytest.fixture
def views(settings: Settings) -> Views:
    def serve(view: Callable[..., Any], *middleware: str) -> None:
        urls: Any = ModuleType("urls")
        urls.urlpatterns = [re_path("", view)]
        settings.ROOT_URLCONF = urls
        settings.MIDDLEWARE = list(middleware)

    return serve


@pytest.fixture
def registered() -> Iterator[None]:
    known = len(BindingMetaclass.binding_classes)
    yield
    for binding in BindingMetaclass.binding_classes[known:]:
        if binding.model is not None and not isinstance(binding.model, str):
            for signal, receiver in binding._receivers():
                signal.disconnect(receiver, sender=binding.model)
    del BindingMetaclass.binding_classes[known:]
