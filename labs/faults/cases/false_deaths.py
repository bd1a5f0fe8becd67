"""Processes that live, and look as if they had died: nobody may be declared dead."""

from __future__ import annotations

import signal
from pathlib import Path

from labs.faults.fault import Fault
from labs.faults.lines import cut
from labs.faults.row import Limits
from labs.faults.site import Setting
from labs.faults.stage import Stage

#: How long something is cut again and again, also in a quick run, and the pause in between (s).
CUTTING, QUICK, PAUSE = 10.0, 4.0, 0.1

#: How long one process is frozen, and how long all of them (s): longer than a lifeline may be cut,
#: and longer than a heartbeat may stay away.
FROZEN, ALL_FROZEN = 3.0, 8.0


class LifelinesCut(Fault):
    """CLIENT KILL of all lifelines, repeatedly."""

    name = "lifelines-cut"
    description = "all lifelines are cut 10 times a second for 10 s (quick: 4 s)"
    limits = Limits(seconds=1)
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Cut them."""
        stage.count_from_now()
        killed = 0
        with stage.site.redis.client() as client:
            for _ in range(round(stage.size.choose(CUTTING, QUICK) / PAUSE)):
                killed += int(client.client_kill_filter(_type="pubsub"))
                stage.hold(PAUSE)
        stage.note(f"{killed} lifelines were cut")
        stage.expect(killed > 0, "there was no lifeline to cut")


class StalledAndCut(Fault):
    """CLIENT KILL of all lifelines while a worker cannot come back."""

    name = "stalled-and-cut"
    description = "all lifelines are cut while a worker is frozen for 3 s"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Freeze it, cut all, and let it come back late."""
        victim = stage.site.workers[0]
        victim.freeze()
        stage.mark_fault(victim)
        with stage.site.redis.client() as client:
            killed = int(client.client_kill_filter(_type="pubsub"))
        stage.expect(killed > 1, f"{killed} lifelines were cut")
        stage.hold(FROZEN)
        victim.resume()
        stage.allow_uncommitted(victim)
        stage.count_from_now()


class ProcessCut(Fault):
    """CLIENT KILL of all connections of one process, while all others keep theirs."""

    name = "process-cut"
    description = (
        "all connections of a worker to Redis, and then those of an interface server, are cut 10 "
        "times a second for 10 s (quick: 4 s)"
    )
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Cut those of one, then those of the other."""
        site = stage.site
        for process in (site.workers[0], site.servers[0].process):
            killed = 0
            for _ in range(round(stage.size.choose(CUTTING, QUICK) / PAUSE)):
                stage.mark_fault()
                killed += cut(site.redis, process.pid)
                stage.hold(PAUSE)
            stage.note(f"{killed} connections of {process.name} were cut")
        stage.count_from_now()


class ProxyCut(Fault):
    """A proxy before Redis cuts all connections, and a worker dies behind it."""

    name = "proxy-cut"
    description = (
        "a proxy before Redis cuts all connections every second for 10 s (quick: 4 s), then kill "
        "-9 of a worker"
    )
    deaths = 1

    def setting(self, folder: Path) -> Setting:
        """A site with a proxy in front of Redis."""
        return Setting(proxied=True)

    def inject(self, stage: Stage) -> None:
        """Cut all, then kill one that is busy: only its heartbeat shows that."""
        site = stage.site
        for _ in range(round(stage.size.choose(CUTTING, QUICK))):
            stage.mark_fault()
            site.proxy.cut()
            stage.hold(1)
        stage.expect(not site.keys("lifelines"), "there are lifelines behind a proxy")
        stage.keep_busy()
        victim = stage.busiest_worker()
        victim.signal(signal.SIGKILL)
        stage.mark_fault(victim)
        stage.expect_in_flight(victim)
        stage.release()
        victim.wait()


class FrozenInTurn(Fault):
    """SIGSTOP to one process after the other, for less than a heartbeat may stay away."""

    name = "frozen-in-turn"
    description = "SIGSTOP to each worker and each interface server in turn, for 3 s each"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Freeze each."""
        for process in (*stage.site.workers, *(each.process for each in stage.site.servers)):
            process.freeze()
            stage.mark_fault(process)
            stage.hold(FROZEN)
            process.resume()
            stage.allow_uncommitted(process)
            stage.count_from_now()


class AllFrozen(Fault):
    """SIGSTOP to everything, as on a machine that stalls."""

    name = "all-frozen"
    description = "SIGSTOP to all workers, all interface servers and Redis at once, for 8 s"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Freeze all, and resume Redis first."""
        site = stage.site
        others = [*site.workers, *(each.process for each in site.servers)]
        for process in (*others, site.redis.process):
            process.freeze()
        stage.mark_fault()
        stage.hold(ALL_FROZEN)
        for process in (site.redis.process, *others):
            process.resume()
            stage.hold(PAUSE)
        stage.mark_fault()
