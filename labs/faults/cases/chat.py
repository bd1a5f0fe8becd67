"""The real chat, whose workers, servers and Redis are killed."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from labs.faults.cases.redis_lost import lose_data
from labs.faults.chat_fault import ChatFault
from labs.faults.row import Limits
from labs.faults.site import Site
from labs.faults.stage import Stage
from labs.harness.processes import Process
from labs.harness.waiting import wait_for

#: How long workers stay frozen (s).
FROZEN = 0.5

chance = random.SystemRandom()


class ChatWorkersKilled(ChatFault):
    """SIGKILL to a worker at a random moment, again and again."""

    name = "chat-killed"
    description = "kill -9 of a worker of the real chat at random moments, 10 times (quick: 4)"
    limits = Limits(seconds=2)

    def inject(self, stage: Stage) -> None:
        """Kill one, start another, wait a while."""
        for _ in range(int(stage.size.choose(10, 4))):
            kill_worker(stage)
            stage.hold(chance.uniform(0.2, 3))


class ChatServerKilled(ChatFault):
    """SIGKILL to a server, which is then restarted."""

    name = "chat-server-killed"
    description = "kill -9 of an interface server of the real chat, and a new one in its place"

    def inject(self, stage: Stage) -> None:
        """Kill it, and start another on its port."""
        victim = stage.site.servers[0]
        stage.expect_drops(victim)
        with frozen_workers(stage):
            stage.mark_fault()
            victim.process.kill()
        stage.site.start_server(victim.kind, victim.port)


class ChatServerStopped(ChatFault):
    """SIGTERM to a server, which is then restarted."""

    def __init__(self, kind: str) -> None:
        self.servers = (kind, kind)
        self.name = f"chat-server-stopped-{kind}"  # type: ignore[misc]
        self.description = f"SIGTERM to an interface server of the real chat, {kind}"  # type: ignore[misc]

    def inject(self, stage: Stage) -> None:
        """Stop it, and start another on its port."""
        victim = stage.site.servers[0]
        stage.expect_drops(victim)
        with frozen_workers(stage):
            stage.count_from_now()
            victim.process.signal(signal.SIGTERM)
            stage.hold(FROZEN)
        victim.process.wait()
        stage.site.start_server(victim.kind, victim.port)


class ChatBothKilled(ChatServerKilled):
    """SIGKILL to a worker and, before others take over its work, to a server."""

    name = "chat-both-killed"
    description = "kill -9 of a worker of the real chat, and 4 s later of an interface server"

    def inject(self, stage: Stage) -> None:
        """Kill both."""
        kill_worker(stage)
        stage.hold(4)
        super().inject(stage)


class ChatRedisEmptied(ChatFault):
    """SIGKILL to Redis, which restarts empty."""

    name = "chat-redis-emptied"
    description = "Redis is killed and comes back empty, under the real chat"

    def inject(self, stage: Stage) -> None:
        """Kill it, start it."""
        lose_data(stage)


@contextmanager
def frozen_workers(stage: Stage) -> Iterator[None]:
    """Freeze workers, so that the server has messages in flight during the fault."""
    for worker in stage.site.workers:
        worker.freeze()
    stage.hold(FROZEN)
    yield
    for worker in stage.site.workers:
        worker.resume()


def kill_worker(stage: Stage) -> None:
    """Kill a worker at a random moment while it holds messages, and start another."""
    site = stage.site

    def catch() -> list[Process]:
        worker = chance.choice(site.workers)
        worker.freeze()  # otherwise it might finish before its state is known
        if worker.pid in busy_workers(site):
            return [worker]
        worker.resume()
        return []

    (victim,) = wait_for(catch, "a worker in the middle of a message", 60)
    victim.signal(signal.SIGKILL)
    victim.wait()
    stage.mark_fault(victim)
    site.replace_dead_workers()


def busy_workers(site: Site) -> set[int]:
    """Return the process ids of workers that hold messages."""
    return {worker.about.pid for worker in site.status().workers if worker.busy}
