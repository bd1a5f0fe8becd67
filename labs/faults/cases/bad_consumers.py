"""Bad consumers: one kills its worker each time, others raise, exit or take long."""

from __future__ import annotations

from channels_workers.layers.redis.layer import RedisChannelLayer
from channels_workers.layers.types import DeadLetter
from labs.faults.diaries import read_runs
from labs.faults.fault import Fault
from labs.faults.row import Limits
from labs.faults.stage import Stage
from labs.harness.crowd.hearing import delays
from labs.harness.crowd.transcript import Transcript
from labs.harness.waiting import wait_for


class Poison(Fault):
    """A message whose consumer kills its process in every run."""

    name = "poison"
    description = "a message kills each worker that runs it, and workers are restarted"
    limits = Limits(seconds=45)
    calm_timeout = 60.0

    def inject(self, stage: Stage) -> None:
        """Send it, and restart dead workers until it is a dead letter."""
        stage.count_from_now()
        stage.traffic.order("r0s0", do="kill", times=99, silent=True)

        def is_dead_lettered() -> bool:
            if stage.site.replace_dead_workers():
                stage.allow_uncommitted()
            return bool(dead_letters(stage))

        wait_for(is_dead_lettered, "the poison message among the dead letters", 90)

    def check(self, stage: Stage) -> None:
        """Check how often it ran."""
        letters = dead_letters(stage)
        stage.expect(len(letters) == 1, f"{len(letters)} dead letters, not 1")
        poison = letters[0].message.id
        runs = sum(run.id == poison for run in read_runs(stage.site.folder))
        stage.expect(runs == 3, f"it was run {runs} times, not 3")

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check how long others waited."""
        judge_others(stage, transcript, {"r0s0"}, 10)


class BadConsumers(Fault):
    """One consumer raises, one calls sys.exit, one takes long."""

    name = "bad-consumers"
    description = "consumers raise, call sys.exit, take 60 s (quick: 8 s)"
    limits = Limits(seconds=70)
    calm_timeout = 90.0

    def inject(self, stage: Stage) -> None:
        """Send the orders."""
        stage.count_from_now()
        stage.traffic.order("r0s0", do="raise", silent=True)
        stage.traffic.order("r1s0", do="exit", silent=True)
        seconds = stage.size.choose(60, 8)
        stage.traffic.order("r2s0", do="slow", seconds=seconds)
        stage.hold(seconds + 1)

    def check(self, stage: Stage) -> None:
        """Check that errors were logged, no worker exited, and no message was taken over."""
        logs = "\n".join(worker.output for worker in stage.site.workers)
        for what in ("Ordered: A consumer was told", "SystemExit: A consumer was told"):
            stage.expect(what in logs, f"no worker logged {what!r}")
        ended = sum(not worker.is_running for worker in stage.site.workers)
        stage.expect(not ended, f"{ended} workers ended")
        runs = [run.id for run in read_runs(stage.site.folder)]
        again = len(runs) - len(set(runs))
        stage.expect(not again, f"{again} messages were run again")

    def judge(self, stage: Stage, transcript: Transcript) -> None:
        """Check how long others waited."""
        judge_others(stage, transcript, {"r2s0"}, 2)


def judge_others(stage: Stage, transcript: Transcript, bad: set[str], limit: float) -> None:
    """Compare the longest delay of messages of others than *bad* with *limit* (s)."""
    longest = max((late for _, late in delays(transcript, stage.since, bad)), default=0.0)
    stage.note(f"others waited {longest:.2f} s at most")
    stage.expect(longest <= limit, f"others waited {longest:.1f} s, at most {limit:g}")


def dead_letters(stage: Stage) -> list[DeadLetter]:
    """Return the dead letters."""
    layer = RedisChannelLayer(hosts=[stage.site.redis.url], prefix="faults")
    try:
        return layer.admin.dead_letters()
    finally:
        layer.disconnect()
