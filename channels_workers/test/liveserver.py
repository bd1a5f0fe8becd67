"""A test case with a server and workers, for browsers. The API is that of Channels 1.1.8."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import sys
import traceback
import unittest
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from channels.layers import channel_layers
from channels.routing import get_default_application
from daphne.endpoints import build_endpoint_description_strings
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import TransactionTestCase, modify_settings, override_settings

from channels_workers.conf import configuration
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.redis.layer import RedisChannelLayer
from channels_workers.layers.types import new_id
from channels_workers.registry import get_channel_layer
from channels_workers.worker.group import WorkerGroup

__all__ = ["ChannelLiveServerTestCase"]

#: How long the process may take to start and to stop (s).
START_TIMEOUT, STOP_TIMEOUT = 60.0, 30.0

#: How often the process looks whether it listens (s).
LOOK_INTERVAL = 0.02


class ChannelLiveServerTestCase(TransactionTestCase):
    """Runs Daphne and workers in a child process during each test.

    It serves ``ASGI_APPLICATION`` at :attr:`live_server_url`, with the settings and the database of
    the test. Each test has layers of its own. With the Redis layer the test itself may send to
    sockets, and with the one in memory it may not. The process is forked, so there is none on
    Windows.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` for a database in memory, which the
    process could not see, and ``RuntimeError`` if the server does not start.
    """

    #: Where the server listens.
    host = "localhost"
    #: How many messages run at a time.
    worker_threads = 1
    #: Whether it serves static files, as ``runserver`` does.
    serve_static = True

    _port = 0

    @property
    def live_server_url(self) -> str:
        """The address of the server, without a slash at its end."""
        return f"http://{self.host}:{self._port}"

    @property
    def live_server_ws_url(self) -> str:
        """The address of the server for WebSockets."""
        return f"ws://{self.host}:{self._port}"

    # Entry points of unittest, as in ChannelTestCaseMixin. Django has loaded fixtures by then.

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test beside the server."""
        with self._live():
            return super().run(result)

    def debug(self) -> None:
        """Run the test beside the server, without catching exceptions."""
        with self._live():
            super().debug()

    @contextmanager
    def _live(self) -> Iterator[None]:
        if self._is_skipped():
            yield
            return
        refuse_memory_databases()
        with live_layers(), modify_settings(ALLOWED_HOSTS={"append": self.host}):
            connections.close_all()  # the child must not share them
            process = LiveProcess(self.host, self.worker_threads, self.serve_static)
            process.start()
            try:
                self._port = process.wait_for_port()
                yield
            finally:
                process.stop()

    def _is_skipped(self) -> bool:
        method = getattr(self, self._testMethodName)
        return any(getattr(one, "__unittest_skip__", False) for one in (type(self), method))


def refuse_memory_databases() -> None:
    """Raise ImproperlyConfigured for a database in the memory of this process."""
    for connection in connections.all():
        if connection.vendor == "sqlite" and connection.is_in_memory_db():  # type: ignore[attr-defined]
            raise ImproperlyConfigured(
                "ChannelLiveServerTestCase cannot use a database in memory, as its server is "
                f'another process. Set DATABASES[{connection.alias!r}]["TEST"] = {{"NAME": '
                'BASE_DIR / "test.sqlite3"}.'
            )


@contextmanager
def live_layers() -> Iterator[None]:
    """Replace all layers by empty ones with the same configuration, and delete these at the end."""
    with ExitStack() as stack:
        for alias in settings.CHANNEL_LAYERS:
            stack.enter_context(_live_layer(alias))
        yield


@contextmanager
def _live_layer(alias: str) -> Iterator[None]:
    former = get_channel_layer(alias)
    config = dict(settings.CHANNEL_LAYERS[alias].get("CONFIG", {}))
    one = former.lanes()[0]  # of its shards, or itself
    if isinstance(one, RedisChannelLayer):
        config["prefix"] = f"{config.get('prefix', 'channels')}:live-{new_id()}"
    layer = type(one)(**config)
    channel_layers.set(alias, layer)
    try:
        yield
    finally:
        channel_layers.set(alias, former)
        _delete(layer, config)


def _delete(layer: WorkerLayer, config: dict[str, Any]) -> None:
    for each in layer.lanes():
        if isinstance(each, RedisChannelLayer):
            with each.client.explained():
                for key in each.client.redis.scan_iter(match=f"{config['prefix']}:*", count=1000):
                    each.client.redis.unlink(key)
            each.disconnect()


class LiveProcess:
    """A child process with Daphne and workers; it has the settings and layers of its parent."""

    def __init__(self, host: str, threads: int, serve_static: bool) -> None:
        context = multiprocessing.get_context("fork")
        self._answers, self._child = context.Pipe(duplex=False)
        self._process = context.Process(
            target=serve_or_tell,
            args=(host, threads, serve_static, self._child),
            name="live server",
            daemon=True,
        )

    def start(self) -> None:
        """Start the process."""
        with warnings.catch_warnings():
            # Python 3.12 and later warn of a fork beside threads. The child has its own event loop
            # and connections.
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            self._process.start()
        self._child.close()

    def wait_for_port(self) -> int:
        """Wait until the server listens; return the port, or raise RuntimeError."""
        answer: int | str = "It does not answer."
        if self._answers.poll(START_TIMEOUT):
            try:
                answer = self._answers.recv()
            except EOFError:
                answer = "The process has ended."
        if isinstance(answer, str):
            raise RuntimeError(f"The live server does not start. {answer}")
        return answer

    def stop(self) -> None:
        """Stop the server and the workers, which finish their messages."""
        self._process.terminate()
        self._process.join(STOP_TIMEOUT)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._answers.close()


def serve_or_tell(host: str, threads: int, serve_static: bool, answers: Connection) -> None:
    """Serve until SIGTERM; send an error to *answers*."""
    # Tests need not spread the return of clients.
    options = {**getattr(settings, "CHANNEL_WORKERS", {}), "DRAIN_TIME": 0}
    try:
        with override_settings(CHANNEL_WORKERS=options):
            serve(host, threads, serve_static, answers)
    except BaseException:
        answers.send(traceback.format_exc())
        raise


def serve(host: str, threads: int, serve_static: bool, answers: Connection) -> None:
    """Run Daphne and workers until SIGTERM; send the port to *answers*."""
    reactor = new_reactor()
    from daphne.server import Server  # noqa: PLC0415  (it takes the reactor as it is imported)

    server = Server(
        load_application(serve_static),
        build_endpoint_description_strings(host=host, port=0),
        websocket_handshake_timeout=math.ceil(configuration().HANDSHAKE_TIMEOUT) + 5,
    )

    def tell_port() -> None:
        if server.listening_addresses:
            answers.send(server.listening_addresses[0][1])
        else:
            reactor.callLater(LOOK_INTERVAL, tell_port)

    reactor.callWhenRunning(tell_port)
    workers = WorkerGroup(get_channel_layer(), n_threads=threads)
    workers.start()
    try:
        server.run()
    finally:
        workers.stop()
        workers.join()


#: What the parent had in these places; if it were freed here, it would close what both share.
_of_parent: list[Any] = []


def new_reactor() -> Any:
    """Return a new reactor of Twisted: one of the parent would share its selector."""
    from twisted.internet import asyncioreactor  # noqa: PLC0415  (nobody else needs Twisted)

    for module in ("twisted.internet.reactor", "daphne.server"):
        _of_parent.append(sys.modules.pop(module, None))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]
    return sys.modules["twisted.internet.reactor"]


def load_application(serve_static: bool) -> Any:
    """Return ``ASGI_APPLICATION``, made for the reactor of this process."""
    sys.modules.pop(settings.ASGI_APPLICATION.rpartition(".")[0], None)
    application = get_default_application()
    if serve_static and apps.is_installed("django.contrib.staticfiles"):
        return ASGIStaticFilesHandler(application)
    return application
