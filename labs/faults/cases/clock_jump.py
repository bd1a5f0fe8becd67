"""The clock of Redis jumps."""

from __future__ import annotations

from pathlib import Path

from labs.faults.clock.wall_clock import WallClock
from labs.faults.fault import Fault
from labs.faults.site import Setting
from labs.faults.stage import Stage


class ClockJump(Fault):
    """The wall clock of Redis goes an hour forward, then two back."""

    name = "clock-jump"
    description = "the clock of Redis jumps an hour forward, then two hours back"

    def setting(self, folder: Path) -> Setting:
        """A Redis with its own clock."""
        return Setting(clock=WallClock(folder))

    def inject(self, stage: Stage) -> None:
        """Let it jump."""
        clock = stage.site.setting.clock
        assert clock is not None
        with stage.site.redis.client() as client:
            before = int(client.time()[0])
            stage.count_from_now()
            for offset in (3600, -3600):
                clock.set_ahead(offset)
                stage.hold(8)
                moved = int(client.time()[0]) - before
                stage.expect(abs(moved - offset) < 60, f"the clock moved by {moved} s")
