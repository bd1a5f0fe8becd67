"""Metrics where roles share a process, and where servers share a port."""

import re
import sys
from contextlib import ExitStack

from websockets.sync.client import connect

from labs.harness import ports
from labs.harness.processes import Processes
from labs.harness.waiting import wait_for
from tests.conftest import StartServer, StartWorker
from tests.processes.scrapes import Metrics, metered, start_metered_worker

SERVED = re.compile(r"Metrics at http://127\.0\.0\.1:(\d+)/metrics")


def test_runserver_shows_both_of_its_roles(start_runserver: StartServer) -> None:
    metrics = Metrics(ports.free_port())
    server = start_runserver(env=metered(metrics.port))
    with connect(f"{server.socket_url}/", open_timeout=60) as client:
        client.send("tea")
        assert client.recv(60) == "tea"
        once = (
            *("frames_received_total", "frames_sent_total", "frame_wait_seconds_count"),
            *("frame_to_commit_seconds_count", "commit_to_frame_seconds_count"),
        )
        metrics.until({**dict.fromkeys(once, 1), "commit_seconds_count": 2})  # and the connect
        assert metrics.value("queue_wait_seconds_count", channel="websocket.receive") == 1
        consumer = "tests.processes.metered.receive"
        assert metrics.value("run_seconds_count", consumer=consumer) == 1
        samples = metrics.samples()
        roles = {dict(key[1:])["role"] for key in samples if key[0] == "process_info"}
        assert roles == {"server", "worker"}
        assert samples["clock_error_seconds",] == 0  # the layer is in this process
        assert samples["sockets", ("state", "open")] == 1


def test_each_process_of_uvicorn_has_a_port(
    start_process: Processes, start_worker: StartWorker, chat_environment: dict[str, str]
) -> None:
    start_metered_worker(start_worker)
    port, first = ports.free_port(), ports.free_port()
    options = ["--workers", "2", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "uvicorn", "chat_project.asgi:application", *options]
    environment = metered(f"{first}-{first + 20}")
    server = start_process(command, name="uvicorn", env={**chat_environment, **environment})
    server.wait_until_listening(port)
    served = wait_for(
        lambda: found if len(found := set(SERVED.findall(server.output))) == 2 else None,
        "two processes with metrics",
    )
    both = [Metrics(int(each)) for each in served]
    with ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(connect(f"ws://127.0.0.1:{port}/", open_timeout=60))
            client.send("tea")
            assert client.recv(60) == "tea"
        for name in ("frames_received_total", "frames_sent_total"):
            wait_for(lambda each=name: sum(one.value(each) for one in both) == 10, name)
        assert sum(each.value("sockets", state="open") for each in both) == 10
