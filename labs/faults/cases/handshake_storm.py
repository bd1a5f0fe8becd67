"""Thousands of sockets come back to one interface server, where others talk."""

from __future__ import annotations

import http.client
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.site import Setting
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.hearing import percentile
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Transcript
from labs.harness.processes import Process
from labs.harness.project import ROOT

#: How many come back, and within what time (s), also in a quick run.
COUNT, QUICK_COUNT = 5_000, 500
OVER, QUICK_OVER = 3.0, 0.2

#: How long it may take until all are in, at first and again (s). The first time nobody hurries.
IN, BACK = 180.0, 60.0

#: The highest p95 of messages of those who talk meanwhile (s).
TALK = 1.0

#: The longest that a page may take meanwhile on an open connection, and that a handshake may wait
#: for its answer, as clients do (s).
PAGE, ANSWER = 2.0, 20.0

#: The bound on handshakes under way.
AT_ONCE = 16


class HandshakeStorm(Fault):
    """SIGKILL to the server that has a throng of sockets; all come back at the other one."""

    description = (
        "kill -9 of an interface server with 5,000 sockets (quick: 500), which come back within "
        "3 s (0.2 s) at another one, where 50 people talk"
    )
    calm_timeout = 60.0
    limits = Limits(seconds=5.0)

    def __init__(self, kind: str) -> None:
        self.servers = (kind, kind)
        self.name = f"handshake-storm-{kind}"  # type: ignore[misc]

    def setting(self, folder: Path) -> Setting:
        """A bound that a quick run reaches, too."""
        limits = {
            "HANDSHAKES_AT_ONCE": AT_ONCE,
            "HANDSHAKE_TIMEOUT": 15.0,
            "HEALTH_PATH": "/healthz",
        }
        return Setting(servers=self.servers, limits=limits)

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """50 people at the second server."""
        return Plan(servers[1:], 10, 5, 1.0)

    def inject(self, stage: Stage) -> None:
        """Let the throng in, and kill its server."""
        first, second = stage.site.servers
        count = int(stage.size.choose(COUNT, QUICK_COUNT))
        over = stage.size.choose(OVER, QUICK_OVER)
        command = ["-m", "labs.harness.throng", count, first.port, second.port, over]
        throng = stage.site.processes([sys.executable, *map(str, command)], name="throng", cwd=ROOT)
        throng.wait_for_line("The throng is in", IN)
        with _asked(stage) as pages:
            stage.count_from_now()
            first.process.kill()
            told = _told(throng, "The throng is back: ", BACK)
            self.end = time.monotonic()
        self._judge_return(stage, told, pages)
        stage.hold(2)
        throng.signal(signal.SIGTERM)
        cut = _told(throng, "The throng leaves: ", 10).get("cut", 0)
        stage.expect(not cut, f"{cut} sockets were cut after they had come back")
        throng.wait()

    def _judge_return(self, stage: Stage, told: dict[str, Any], pages: list[float]) -> None:
        news, longest, page = told["news"], told["longest"], max(pages, default=0.0)
        refused = ", ".join(f"{number} times {what}" for what, number in sorted(news.items()))
        stage.note(f"all were back after {told['seconds']:.1f} s: {refused}")
        stage.note(
            f"the longest wait for an answer to a handshake {longest:.2f} s, the slowest of "
            f"{len(pages)} pages {page:.2f} s"
        )
        stage.expect(news.get("503", 0) > 0, "no handshake was refused with 503")
        others = {what for what in news if what not in {"in", "503"}}
        stage.expect(not others, f"handshakes ended with {', '.join(sorted(others))}")
        stage.expect(longest <= ANSWER, f"a handshake waited {longest:.1f} s, at most {ANSWER:g}")
        stage.expect(page <= PAGE, f"a page took {page:.1f} s, at most {PAGE:g}")

    def check(self, stage: Stage) -> None:
        """Nobody else was called dead."""
        expect_living(stage, dead=1)

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check how long those waited who talked meanwhile."""
        late = percentile(transcript, stage.since, self.end)
        stage.note(f"p95 {late * 1000:.0f} ms meanwhile")
        stage.expect(late <= TALK, f"p95 {late:.2f} s, at most {TALK:g}")


def expect_living(stage: Stage, dead: int) -> None:
    """Expect that so many processes were called dead, and no more."""
    with stage.site.redis.client() as client:
        found = sum(client.llen(key) for key in client.keys("faults:*:dead"))
    stage.expect(found == dead, f"{found} processes were called dead, not {dead}")


def _told(throng: Process, what: str, timeout: float) -> dict[str, Any]:
    line = throng.wait_for_line(f"{re.escape(what)}(.*)", timeout)
    found: dict[str, Any] = json.loads(line[1])
    return found


@contextmanager
def _asked(stage: Stage) -> Iterator[list[float]]:
    """Ask the second server for its health all the time; give how long each answer took (s)."""
    took: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        line = http.client.HTTPConnection("127.0.0.1", stage.site.servers[1].port, timeout=60)
        while not ended.wait(0.1):
            began = time.monotonic()
            line.request("GET", "/healthz")
            line.getresponse().read()
            took.append(time.monotonic() - began)
        line.close()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join(60)
