"""`labs/benchmarks/serve`: what it starts, prints and stops."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.rooms import find_room
from labs.benchmarks.serving.site import Site
from labs.harness.processes import Process, Processes, clean_environment
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

SERVE = [sys.executable, "-m", "labs.benchmarks.serving"]


def serve(start_process: Processes, *arguments: str) -> tuple[Process, dict[str, Any]]:
    process = start_process([*SERVE, *arguments], name="serve")
    line = process.wait_for_line(r"^\{")
    return process, json.loads(line.string)


def refuse(*arguments: str) -> str:
    """The error message if nothing can be served."""
    done = subprocess.run(
        [*SERVE, *arguments],
        cwd=ROOT,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode in (1, 2)
    assert not done.stdout
    return done.stderr


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def all_pids(said: dict[str, Any]) -> list[int]:
    return [pid for role in said["pids"].values() for pid in role]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_everything_it_starts_ends_with_it(
    start_process: Processes, number: signal.Signals
) -> None:
    process, said = serve(start_process, "channels_workers", "--servers=2", "--workers=2")
    counts = {role: len(pids) for role, pids in said["pids"].items()}
    assert counts == {"server": 2, "worker": 2, "redis": 1}
    assert said["urls"] == [f"ws://127.0.0.1:{port}" for port in said["ports"]]
    assert all(map(is_alive, all_pids(said)))
    process.signal(number)
    assert process.wait() == 0
    assert not any(map(is_alive, all_pids(said)))
    assert len(process.lines) == 1


def test_a_room_works_across_both_servers(start_process: Processes) -> None:
    _, said = serve(start_process, "channels_workers", "--servers=2", "--server=uvicorn")
    first, second = (f"{url}/chat/lobby/" for url in said["urls"])
    with connect(first, open_timeout=60) as ann, connect(second, open_timeout=60) as bob:
        ann.send('{"handle": "ann", "message": "hi"}')
        for socket in (ann, bob):
            frame = json.loads(socket.recv(timeout=60))
            assert (frame["handle"], frame["message"]) == ("ann", "hi")
            assert frame["timestamp"]


@pytest.mark.parametrize("name", ["bare", "channels4-core", "channels4-pubsub", "channels4-chat"])
def test_the_other_rooms_work_too(start_process: Processes, name: str) -> None:
    _, said = serve(start_process, name)
    watch = [f"--url={said['urls'][0]}", *(["--visit"] if said["visit"] else [])]
    done = subprocess.run(
        [sys.executable, "-m", "labs.benchmarks.load", "flood", "--messages=20", *watch],
        cwd=ROOT,
        env=clean_environment(),
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    counts = json.loads(done.stdout)["counts"]
    assert counts["received"] == counts["expected"] == 20
    assert not counts["out_of_order"]


def test_a_room_on_publish_subscribe(start_process: Processes) -> None:
    _, said = serve(start_process, "pubsub", "--server=uvicorn", "--servers=2")
    first, second = (f"{url}/chat/lobby/" for url in said["urls"])
    with connect(first, open_timeout=60) as ann, connect(second, open_timeout=60) as bob:
        ann.send('{"handle": "ann", "message": "hi"}')
        assert [json.loads(each.recv(timeout=60))["message"] for each in (ann, bob)] == ["hi", "hi"]


@pytest.mark.parametrize(("name", "server"), [("socketio", "uvicorn"), ("ws", "node")])
def test_a_room_whose_packages_are_missing(tmp_path: Path, name: str, server: str) -> None:
    room = replace(find_room(name), needs=tmp_path / "nothing", python=Path(sys.executable))
    with pytest.raises(RuntimeError, match=f"/nothing, which {name} runs with: the scripts labs/b"):
        Site(room, Arrangement(server=server), tmp_path).start()


def test_processes_run_on_the_given_cores(start_process: Processes) -> None:
    core = min(os.sched_getaffinity(0))
    _, said = serve(start_process, "channels_workers", f"--pin={core}")
    cores = set[int]()
    for pid in all_pids(said):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):  # some threads end soon
                cores |= os.sched_getaffinity(int(thread.name))
    assert cores == {core}


def test_it_exits_when_a_process_dies(start_process: Processes) -> None:
    process, said = serve(start_process, "channels_workers")
    os.kill(said["pids"]["worker"][0], signal.SIGKILL)
    assert process.wait() == 1
    assert "A process ended by itself. worker (ended with status -9) wrote:" in process.output
    wait_for(lambda: not any(map(is_alive, all_pids(said))), "the end of all others")


def test_an_unknown_room() -> None:
    error = refuse("channels5")
    assert error.startswith("Expected the name of a room, got 'channels5'; there are: bare, ")


def test_a_server_that_cannot_run_a_room() -> None:
    error = refuse("channels1", "--server=uvicorn")
    assert error == "channels1 runs under daphne, not under uvicorn: choose another.\n"


def test_a_room_without_a_layer_has_one_server() -> None:
    assert "no layer between servers: choose --servers 1." in refuse("bare", "--servers=2")


@pytest.mark.parametrize("cores", ["x", "1-0", "0,", "4711", "-1"])
def test_unavailable_cores(cores: str) -> None:
    error = refuse("bare", f"--pin={cores}")
    assert error.startswith("Expected cores ")
    assert f"got {cores!r}" in error


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_numbers_of_processes(number: str) -> None:
    assert f"must be a number from 1 on, not '{number}'" in refuse("bare", f"--workers={number}")
