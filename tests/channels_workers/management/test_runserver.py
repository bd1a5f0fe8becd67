import json
import re
import signal
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from pytest_django import Settings
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from channels_workers.layers.liveness import DEAD_AFTER
from channels_workers.management.commands.runserver import Command
from channels_workers.worker.reaper import LOOK_INTERVAL
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.server import Server


@dataclass
class Running:
    """A running command."""

    process: Process
    port: int

    def handshake(self, room: str = "lobby") -> int:
        """The status of a room's handshake. 101 if the socket opened."""
        try:
            with self.connect(room):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    def connect(self, room: str = "lobby") -> ClientConnection:
        """A socket in the room."""
        origin = Origin(f"http://127.0.0.1:{self.port}")
        address = f"ws://127.0.0.1:{self.port}/chat/{room}/"
        return connect(address, origin=origin, proxy=None, open_timeout=60)

    def visit(self) -> None:
        """Create the room by visiting its page."""
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/lobby/", timeout=60).close()


RunServer = Callable[..., Running]


@pytest.fixture
def run_server(start_process: Processes, database_url: str) -> RunServer:
    """`run_server(*options, **env)` starts this project's command without autoreload."""

    def run(*options: str, **env: str) -> Running:
        port = free_port()
        command = [sys.executable, "manage.py", "runserver", "--noreload", *options]
        environment = {"DATABASE_URL": database_url, "HANDSHAKE_TIMEOUT": "60", **env}
        process = start_process([*command, f"127.0.0.1:{port}"], name="runserver", env=environment)
        return Running(process.wait_until_listening(port), port)

    return run


def test_the_command_is_ours_and_has_daphnes_options() -> None:
    command = load_command_class(get_commands()["runserver"], "runserver")
    assert isinstance(command, Command)
    usage = command.create_parser("manage.py", "runserver").format_help()
    for option in ("--noworker", "--noasgi", "--http_timeout", "--nothreading", "--noreload"):
        assert option in usage


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_application_it_ends_with_the_remedy(
    value: str | None, settings: Settings
) -> None:
    settings.ASGI_APPLICATION = value
    with pytest.raises(CommandError, match="such as .*asgi.application"):
        call_command("runserver", "--noreload")


@pytest.mark.parametrize(("options", "threads"), [((), 4), (("--nothreading",), 1)])
def test_it_runs_workers_beside_the_server(
    options: tuple[str, ...], threads: int, run_server: RunServer
) -> None:
    running = run_server(*options)
    running.process.wait_for_line(rf"^Workers: {threads} threads on .*InMemoryChannelLayer")


def test_without_workers_a_handshake_is_refused_with_the_remedy(run_server: RunServer) -> None:
    running = run_server("--noworker", HANDSHAKE_TIMEOUT="1")
    assert running.handshake() == 403
    running.process.wait_for_line(r"No worker answered the handshake of /chat/lobby/ within 1\.0 s")
    assert "manage.py runworker" in running.process.output
    assert "Workers:" not in running.process.output


def test_with_workers_a_consumer_answers_the_handshake(run_server: RunServer) -> None:
    running = run_server()
    assert running.handshake("no/room") == 403
    assert running.handshake() == 101
    assert "No worker answered" not in running.process.output


def test_it_outlives_the_time_out_of_dead_processes(run_server: RunServer) -> None:
    running = run_server()
    running.visit()
    server = Server(running.port, running.process)
    assert server.probe("/readyz")[0] == 200
    with running.connect() as socket:
        assert "joined" in json.loads(socket.recv(timeout=60))  # it hears its own arrival
        with pytest.raises(TimeoutError):  # a process without peers logs nothing
            socket.recv(timeout=DEAD_AFTER + 3 * LOOK_INTERVAL)
    assert running.handshake() == 101
    assert server.probe("/readyz")[0] == 200
    assert "is dead" not in running.process.output


def test_without_asgi_djangos_own_command_runs(run_server: RunServer) -> None:
    running = run_server("--noasgi")
    assert running.handshake() == 404
    assert "Workers:" not in running.process.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_server_and_workers(number: signal.Signals, run_server: RunServer) -> None:
    running = run_server()
    running.handshake()  # Daphne listens before it handles signals
    running.process.signal(number)
    assert running.process.wait() == 0
    assert not re.search("Traceback|Exception", running.process.output)
