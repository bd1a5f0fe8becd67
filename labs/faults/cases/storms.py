"""How an interface server is killed, and all or many of its clients come back elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.plan import Plan
from labs.harness.crowd.transcript import Visit

#: The longest outage after a storm (s).
STORM = 10.0

#: When a worker dies after the server (s): the clients of the server come back then.
COMING_BACK = 0.5


def storm(servers: tuple[str, ...], size: Size) -> Plan:
    """2,000 people at the first server (quick: 200), 50 messages a second, each to 50 (20)."""
    rooms, each = int(size.choose(40, 10)), int(size.choose(50, 20))
    return Plan(servers, rooms, each, rooms * each / 50, together=True, at_once=rooms * each)


def kill_first(stage: Stage) -> None:
    """Kill the first server."""
    victim = stage.site.servers[0]
    stage.expect_drops(victim)
    stage.count_from_now()
    victim.process.kill()


def kill_both(stage: Stage) -> None:
    """Kill the first server, and a worker while its clients come back."""
    kill_first(stage)
    stage.hold(COMING_BACK)
    worker = stage.site.workers[0]
    worker.signal(signal.SIGKILL)
    stage.mark_fault(worker)
    worker.wait()


def note_return(stage: Stage, returns: Sequence[Visit]) -> None:
    """Say how long it took until all were in."""
    joined = [visit.joined for visit in returns if visit.joined is not None]
    if joined:
        took = max(joined) - min(visit.asked for visit in returns)
        stage.note(f"the first handshake began, and {took:.1f} s later all were in")
