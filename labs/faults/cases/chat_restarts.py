"""The real chat, while all of its processes are restarted for minutes."""

from __future__ import annotations

import signal
import time

from labs.faults.cases.chat import kill_worker
from labs.faults.chat_fault import ChatFault
from labs.faults.size import Size
from labs.faults.stage import Stage
from labs.harness.crowd.plan import Plan
from labs.harness.site import WORKER_READY

#: The pause after each restart (s).
PAUSE = 5.0


class ChatRestarts(ChatFault):
    """Servers and workers are stopped and killed in turn, and replaced."""

    name = "chat-restarts"
    description = "100 people in 5 rooms of the real chat, all processes restarted again and again"

    def plan(self, servers: tuple[str, ...], size: Size) -> Plan:
        """100 people who each talk every 2 s (quick: 25)."""
        return Plan(servers, 5, int(size.choose(20, 5)), 2.0, chat=True)

    def inject(self, stage: Stage) -> None:
        """Continue for ten minutes (quick: 20 s)."""
        until = time.monotonic() + stage.size.choose(600, 20)
        rounds = 0
        while time.monotonic() < until or not rounds:
            for place, number in enumerate((signal.SIGTERM, signal.SIGKILL)):
                self._restart_server(stage, place, number)
                stage.hold(PAUSE)
            self._restart_worker(stage)
            kill_worker(stage)
            stage.hold(PAUSE)
            rounds += 1
        stage.note(f"each server restarted {rounds} times, workers {2 * rounds} times")

    def _restart_server(self, stage: Stage, place: int, number: signal.Signals) -> None:
        site = stage.site
        victim = site.servers[place]
        stage.expect_drops(victim)
        stage.mark_fault()
        victim.process.signal(number)
        victim.process.wait()
        site.start_server(victim.kind, victim.port)
        site.servers[place] = site.servers.pop()

    def _restart_worker(self, stage: Stage) -> None:
        stage.site.workers[0].terminate()
        stage.site.replace_dead_workers()
        stage.site.workers[-1].wait_for_line(WORKER_READY)
