"""Rooms with `@once`, whose workers, database and Redis get into trouble between the commits."""

from __future__ import annotations

from itertools import islice

from labs.faults.cases.moments import freeze_at, kill_at, people
from labs.faults.cases.redis_lost import NOTICED, lose_data
from labs.faults.once_fault import OnceFault, ran_before, site_of
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.waiting import wait_for

#: The moments of a run; see ``application/with_once/trouble.py``.
MOMENTS = ("inside", "stored", "committed")

#: How long a transaction takes that meets another one (s): longer than it takes everybody to talk.
CLASH = 1.0

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chat'"


class OnceKilled(OnceFault):
    """SIGKILL to workers at each moment of a run, and at random ones."""

    name = "once-killed"
    description = (
        "kill -9 of a worker inside @once, before its commits and between them, and at random "
        "moments, 12 times (quick: 4)"
    )

    def inject(self, stage: Stage) -> None:
        """Kill one, start another, wait a while."""
        kill_at(MOMENTS, stage)

    def check(self, stage: Stage) -> None:
        """Check that second runs found rows, of those that were killed between the commits."""
        super().check(stage)
        found, least = ran_before(site_of(stage)), int(stage.size.choose(3, 1))
        stage.expect(found >= least, f"{found} runs found a row, at least {least}")


class OnceFrozen(OnceFault):
    """SIGSTOP to a worker at each moment of a run, SIGCONT after others have run its messages."""

    name = "once-frozen"
    description = "SIGSTOP to a worker inside @once, before its commits and between them, 12 s each"
    # A thread that is frozen by chance with its row, before its COMMIT, holds up the next run.
    limits = Limits(seconds=20)

    def inject(self, stage: Stage) -> None:
        """Freeze one after the other."""
        freeze_at(MOMENTS, stage, self)

    def check(self, stage: Stage) -> None:
        """Check that runs found rows: that of the frozen run, or of the one that overtook it."""
        super().check(stage)
        found = ran_before(site_of(stage))
        stage.expect(found >= 2, f"{found} runs found a row, at least 2")


class OnceDatabaseAway(OnceFault):
    """PostgreSQL cuts connections, some right after a COMMIT, and is stopped and started."""

    name = "once-database-away"
    description = (
        "PostgreSQL cuts all connections every second for 10 s (quick: 4 s), its replies to 3 "
        "COMMITs (quick: 1) are lost, and it is away for 8 s (quick: 4 s)"
    )

    def inject(self, stage: Stage) -> None:
        """Cut, stop, start."""
        site, postgres = site_of(stage), site_of(stage).postgres
        cut, lost = 0, int(stage.size.choose(3, 1))
        with postgres.owner() as owner:
            for _ in range(int(stage.size.choose(10, 4))):
                cut += len(owner.execute(CUT).fetchall())
                stage.mark_fault()
                stage.hold(1)
        wanted = ran_before(site) + lost
        for speaker in islice(people(stage), lost):
            stage.traffic.order(speaker, do="cut", when="unheard")
        wait_for(lambda: ran_before(site) >= wanted, "runs that find their rows")
        postgres.stop()
        stage.mark_fault()
        stage.hold(stage.size.choose(8, 4))
        postgres.start()
        stage.mark_fault()
        stage.note(f"{cut} connections were cut")
        stage.expect(cut > 0, "no connection was cut")


class OnceRedisEmptied(OnceFault):
    """Redis loses everything between the commits, and at a random moment."""

    name = "once-redis-emptied"
    description = (
        "Redis is emptied between the commits of @once, 3 times (quick: once), then killed, and "
        "comes back empty"
    )

    def inject(self, stage: Stage) -> None:
        """Empty it, kill it, start it."""
        speakers = people(stage)
        for _ in range(int(stage.size.choose(3, 1))):
            before = ran_before(site_of(stage))
            stage.traffic.order(next(speakers), do="empty", when="committed")
            wait_for(lambda: ran_before(site_of(stage)) > before, "a run that finds its row")  # noqa: B023
            stage.mark_fault()
            stage.hold(NOTICED)
            stage.expect(stage.traffic.wait_until_calm(self.calm_timeout), "no calm")
        lose_data(stage)


class OnceDeadlock(OnceFault):
    """Consumers whose transactions deadlock, and others that cannot be serialized."""

    name = "once-deadlock"
    description = "transactions of @once deadlock or cannot be serialized, 10 pairs (quick: 4)"

    def inject(self, stage: Stage) -> None:
        """Let two cross each other, and two read what both write."""
        speakers = people(stage)
        rounds = int(stage.size.choose(5, 2))
        for _ in range(rounds):
            stage.count_from_now()
            for counters in ((1, 2), (2, 1)):
                stage.traffic.order(next(speakers), do="cross", counters=counters, seconds=CLASH)
            for _ in range(2):
                stage.traffic.order(next(speakers), do="read", counters=[3], seconds=CLASH)
            stage.hold(CLASH)
            stage.expect(stage.traffic.wait_until_calm(self.calm_timeout), "no calm")
        site, each = site_of(stage), 2 * rounds
        found = site.counters()
        stage.expect(found == [each] * 3, f"the counters are {found}, all must be {each}")
        for kind in ("DeadlockDetected", "SerializationFailure"):
            undone = site.logged(f"Undone by {kind}")
            stage.note(f"{undone} runs were undone by {kind}")
            stage.expect(undone > 0, f"no {kind}")
