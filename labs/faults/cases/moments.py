"""Workers that are killed or frozen at each moment of a run, by orders that messages carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labs.faults.cases.chat import chance, kill_worker
from labs.faults.fault import Fault
from labs.faults.stage import Stage
from labs.harness.processes import Process
from labs.harness.waiting import wait_for

#: How long a worker stays frozen, longer than until it counts as dead (s).
FROZEN = 12.0


def kill_at(moments: Sequence[str], stage: Stage) -> None:
    """Kill a worker at each moment, then one at a random moment, 3 times; once in a quick run."""
    speakers = people(stage)
    for _ in range(int(stage.size.choose(3, 1))):
        for when in moments:
            stage.traffic.order(next(speakers), do="kill", when=when)
            wait_for(lambda: dead(stage), f"a worker that is killed: {when}")
            stage.mark_fault()
            stage.site.replace_dead_workers()
            stage.hold(chance.uniform(0.2, 3))
        kill_worker(stage)
        stage.hold(chance.uniform(0.2, 3))


def freeze_at(moments: Sequence[str], stage: Stage, fault: Fault) -> None:
    """Freeze a worker at each moment, and wait after each until all is well again."""
    speakers = people(stage)
    for when in moments:
        stage.traffic.order(next(speakers), do="stop", when=when)
        (victim,) = wait_for(lambda: frozen(stage), f"a worker that is frozen: {when}")
        stage.mark_fault(victim)
        stage.hold(FROZEN)
        victim.resume()
        stage.allow_uncommitted(victim)
        stage.expect(stage.traffic.wait_until_calm(fault.calm_timeout), f"no calm: {when}")


def people(stage: Stage) -> Iterator[str]:
    """Return the names of people, one of each room in turn."""
    plan = stage.traffic.plan
    return (f"r{room}s{seat}" for seat in range(plan.each) for room in range(plan.rooms))


def dead(stage: Stage) -> list[Process]:
    """Return the workers that have ended."""
    return [worker for worker in stage.site.workers if not worker.is_running]


def frozen(stage: Stage) -> list[Process]:
    """Return the workers that are frozen."""
    return [worker for worker in stage.site.workers if worker.is_frozen]
