"""A room on a real interface server and a real worker, which write their spans to files."""

from __future__ import annotations

import time
from pathlib import Path

from websockets.sync.client import connect

from labs.harness.chat_site import ChatSite
from labs.harness.waiting import wait_for
from labs.trace.tree import Span, read, trace_of

FRAME = "WebSocket frame"

#: The spans of a frame that is sent to a group, by their names.
PARTS = {
    FRAME,
    "send websocket.receive",
    "wait websocket.receive",
    "process websocket.receive",
    "send (group)",
    "commit websocket.receive",
    "wait (group)",
    "deliver (group)",
}


class TracedSite(ChatSite):
    """Redis, an interface server and a worker, with their files of spans in ``traces``.

    With *tracing*, which the project describes, it measures the cost and writes none.
    """

    def __init__(self, folder: Path, server: str = "daphne", tracing: str | None = None) -> None:
        self.traces = folder / "traces"
        settings = {"DJANGO_SETTINGS_MODULE": "labs.trace.project"}
        settings |= {"TRACING": tracing} if tracing else {"TRACES": str(self.traces)}
        super().__init__(folder, settings)
        self._server = server

    def start(self) -> None:
        """Start all of it."""
        self.traces.mkdir()
        super().start()
        self.start_worker()
        self.start_server(self._server)
        self.wait_for_workers()

    def say(self, *texts: str) -> None:
        """Let one socket say each of *texts*, and hear it."""
        with connect(f"{self.servers[0].socket_url}/", open_timeout=60) as socket:
            for text in texts:
                socket.send(text)
                socket.recv(timeout=60)

    def round_trips(self, count: int) -> list[float]:
        """Let one socket say something so often, and return how long each took (s)."""
        seconds = []
        with connect(f"{self.servers[0].socket_url}/", open_timeout=60) as socket:
            for _ in range(count):
                began = time.perf_counter()
                socket.send("hello")
                socket.recv(timeout=60)
                seconds.append(time.perf_counter() - began)
        return seconds

    def frames(self) -> list[list[Span]]:
        """Return the complete traces of frames so far."""
        spans = read(self.traces)
        traces = [trace_of(span, spans) for span in spans if span["name"] == FRAME]
        return [trace for trace in traces if {span["name"] for span in trace} >= PARTS]

    def wait_for_frames(self, count: int) -> list[list[Span]]:
        """Wait until so many frames have complete traces, and return these."""
        wait_for(lambda: len(self.frames()) >= count, lambda: f"{count} traces in {self.traces}")
        return self.frames()
