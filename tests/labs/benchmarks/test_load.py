"""The load generator finds exactly the faults of rooms that misbehave."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.benchmarks.load.client import Members
from labs.benchmarks.load.socketio import SocketIOClient
from labs.harness.ports import free_port
from labs.harness.processes import Process, clean_environment
from labs.harness.project import ROOT

Load = Callable[..., dict[str, Any]]

RIGHT = {
    "lost": 0,
    "duplicated": 0,
    "out_of_order": 0,
    "foreign": 0,
    "failed": 0,
    "dropped": 0,
    "given_up": 0,
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labs.benchmarks.load", *arguments],
        cwd=ROOT,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """`load("drop", "flood", ...)` loads a room with this fault. Returns the result line."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning"]
    log = tmp_path_factory.mktemp("room") / "log"
    room = "tests.labs.benchmarks.misbehaving:application"
    with Process("uvicorn", [*command, room], log=log) as server:
        server.wait_until_listening(port)

        def start(fault: str, *arguments: str) -> dict[str, Any]:
            watch = f"--watch=server:{server.pid}"
            done = run(*arguments, f"--url=ws://127.0.0.1:{port}/{fault}", watch)
            assert done.returncode == 0, done.stderr
            report: dict[str, Any] = json.loads(done.stdout)
            return report

        yield start


def wrong(report: dict[str, Any]) -> dict[str, int]:
    """The counts that differ from those of a correct room."""
    return {name: report["counts"][name] for name in RIGHT if report["counts"][name]}


FLOOD = ("flood", "--messages=1000")
#: It waits in vain for what a room has lost, but long enough for a slow machine.
LOST = "--quiet=3"


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("none", {}),
        ("drop", {"lost": 100, "given_up": 100}),
        ("duplicate", {"duplicated": 100}),
        # The last of them is never delivered.
        ("swap", {"lost": 1, "given_up": 1, "out_of_order": 99}),
        ("invent", {"foreign": 100}),
    ],
)
def test_a_flood(load: Load, fault: str, found: dict[str, int]) -> None:
    report = load(fault, *FLOOD, *([LOST] if "lost" in found else ["--quiet=60"]))
    assert wrong(report) == found
    assert report["counts"]["sent"] == report["counts"]["expected"] == 1000


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("drop", {"lost": 100, "given_up": 100}),
        ("duplicate", {"duplicated": 100}),
        ("swap", {"lost": 1, "given_up": 1, "out_of_order": 99}),
    ],
)
def test_a_flood_by_socketio(load: Load, fault: str, found: dict[str, int]) -> None:
    report = load(fault, *FLOOD, "--protocol=socketio", "--quiet=3")
    assert wrong(report) == found


def test_rooms_talk_by_socketio(load: Load) -> None:
    report = load("leak", *talk(4, 2, "--patience=60", "--protocol=socketio"))
    assert wrong(report).keys() == {"foreign"}
    assert report["counts"]["sent"] > 6


async def test_a_room_of_socketio_that_refuses() -> None:
    client = SocketIOClient(0, Members("a"), lambda client, text: None)
    client.take_packet('44{"message":"no"}')
    with pytest.raises(ConnectionError, match="Expected to join, got '44"):
        await client.wait_until_joined(60)
    assert not client.is_open


def test_a_closed_socket(load: Load) -> None:
    report = load("cut", *FLOOD, LOST)
    assert wrong(report) == {"lost": 991, "given_up": 991, "dropped": 1}
    assert report["trouble"] == {"closed with 4999": 1}


def talk(clients: int, rooms: int, *options: str) -> tuple[str, ...]:
    times = ("--seconds=0.4", "--warmup=0.1", "--settle=0.1")
    return ("rtt1", f"--clients={clients}", f"--rooms={rooms}", *times, *options)


@pytest.mark.parametrize("protocol", ["plain", "deflate"])  # by default uvicorn compresses
def test_talking_rooms(load: Load, protocol: str) -> None:
    report = load("none", *talk(30, 10, f"--protocol={protocol}"))
    counts = report["counts"]
    assert wrong(report) == {}
    assert counts["sent"] >= 10
    assert counts["received"] == counts["expected"] == 3 * counts["sent"]
    assert report["figures"]["deliveries_per_s"] > report["figures"]["messages_per_s"] > 0
    assert 0 < report["figures"]["p50_ms"] <= report["figures"]["max_ms"]
    assert set(report["cpu"]) == set(report["cpu_us"]) == {"client", "server"}


def test_rooms_talk_at_a_rate(load: Load) -> None:
    """Each second 100 messages, though none that is lost is waited for."""
    times = ("--seconds=1", "--warmup=0.1", "--settle=0.1", "--patience=0.2")
    report = load("drop", "paced", "--clients=10", "--rooms=10", *times)
    counts = report["counts"]
    assert counts["lost"] == counts["given_up"] > 0
    assert 10 < counts["sent"] <= 130


def test_rooms_take_turns(load: Load) -> None:
    report = load("none", *talk(6, 6, "--at-once=2"))
    assert wrong(report) == {}
    assert report["counts"]["sent"] > 6


def test_a_room_continues_after_a_lost_message(load: Load) -> None:
    report = load("drop", *talk(4, 2, "--patience=0.05"))
    counts = report["counts"]
    assert 2 * counts["given_up"] >= counts["lost"] > 0
    assert wrong(report).keys() == {"lost", "given_up"}


def test_messages_in_other_rooms_are_foreign(load: Load) -> None:
    report = load("leak", *talk(2, 2, "--patience=60"))
    assert wrong(report).keys() == {"foreign"}


def test_large_messages(load: Load) -> None:
    report = load("none", *talk(2, 1, "--size=70000"))
    assert wrong(report) == {}
    assert report["counts"]["sent"] > 0


def test_opening(load: Load) -> None:
    report = load("none", "connect", "--clients=60", "--settle=0.1")
    counts = report["counts"]
    assert (counts["sockets"], counts["failed"], counts["dropped"]) == (60, 0, 0)
    assert report["figures"]["connects_per_s"] > 0
    assert "server_kib_per_socket" in report["figures"]


def test_a_server_that_does_not_exist(tmp_path: Path) -> None:
    done = run("flood", f"--url=ws://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert done.stderr.startswith("Expected 1 open sockets, got none: ")


@pytest.mark.parametrize("url", ["ws://example.com", "http://127.0.0.1:1", "127.0.0.1:1"])
def test_only_local_servers_are_accepted(url: str) -> None:
    done = run("flood", f"--url={url}")
    assert done.returncode == 2
    assert "must be ws://127.0.0.1:PORT" in done.stderr


def test_options_of_another_load_are_refused() -> None:
    done = run("flood", "--url=ws://127.0.0.1:1", "--rooms=3")
    assert done.returncode == 1
    assert "Flood has no 'rooms'; it takes " in done.stderr
