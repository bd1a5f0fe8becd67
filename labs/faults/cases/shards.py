"""One of several shards is lost, frozen, slow or cut off."""

from __future__ import annotations

import time
from pathlib import Path

from labs.faults.cases.redis_lost import lose_data_since_snapshot, settle
from labs.faults.row import Limits
from labs.faults.shard_fault import ShardFault, note_healthy, site_of
from labs.faults.shard_site import ShardSite
from labs.faults.site import Setting
from labs.faults.stage import Stage

#: The shard that suffers, and one that does not.
VICTIM, OTHER = "b", "a"

#: How long a slow shard stands still, and runs, in turn (s).
STILL, RUNS = 0.3, 0.2


class ShardKilled(ShardFault):
    """SIGKILL to a Redis, which is away for a while, and comes back empty."""

    name = "shard-killed"
    description = "one of two Redis is killed, and comes back empty after 10 s (quick: 4 s)"
    leaves_gaps = True

    def inject(self, stage: Stage) -> None:
        """Kill it, wait, start it."""
        server = site_of(stage).shards[VICTIM]
        stage.mark_fault()
        began = time.monotonic()
        server.process.kill()
        stage.hold(stage.size.choose(10, 4))
        note_healthy(stage, OTHER, began)
        server.start()
        stage.mark_fault()
        settle(stage)


class ShardEmptied(ShardFault):
    """FLUSHALL."""

    name = "shard-emptied"
    description = "one of three Redis is emptied (FLUSHALL), twice (quick: once)"
    count = 3
    servers = ("daphne", "daphne", "daphne")
    leaves_gaps = True

    def inject(self, stage: Stage) -> None:
        """Empty it."""
        for _ in range(int(stage.size.choose(2, 1))):
            stage.mark_fault()
            site_of(stage).shards[VICTIM].flush()
            settle(stage)


class ShardOld(ShardFault):
    """SIGKILL to a Redis, which restarts with a snapshot."""

    name = "shard-old"
    description = "one of two Redis is killed, and comes back with a snapshot that is 5 s old"
    leaves_gaps = True

    def inject(self, stage: Stage) -> None:
        """Save, wait, kill it, start it."""
        lose_data_since_snapshot(stage, site_of(stage).shards[VICTIM])


class ShardFrozen(ShardFault):
    """SIGSTOP to a Redis."""

    name = "shard-frozen"
    description = "SIGSTOP to one of two Redis for 10 s"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Freeze it; the sockets of the other shard talk on."""
        began = time.monotonic()
        process = site_of(stage).shards[VICTIM].process
        process.freeze()
        stage.mark_fault()
        stage.hold(10)
        note_healthy(stage, OTHER, began)
        process.resume()
        stage.allow_uncommitted()
        stage.count_from_now()


class ShardSlow(ShardFault):
    """SIGSTOP and SIGCONT in turn."""

    name = "shard-slow"
    description = "one of two Redis stands still for 0.3 s of each 0.5 s, for 20 s (quick: 8 s)"
    deaths = 0

    def inject(self, stage: Stage) -> None:
        """Let it stand still, again and again."""
        began = time.monotonic()
        process = site_of(stage).shards[VICTIM].process
        stage.mark_fault()
        while time.monotonic() < began + stage.size.choose(20, 8):
            process.freeze()
            stage.hold(STILL)
            process.resume()
            stage.hold(RUNS)
        note_healthy(stage, OTHER, began)


class ShardCut(ShardFault):
    """One server and one worker do not reach a shard that all others reach."""

    name = "shard-cut"
    description = "a server and a worker do not reach one of two Redis for 10 s; all others do"

    def setting(self, folder: Path) -> Setting:
        """Let the first server and the first worker use a proxy."""
        return Setting(servers=self.servers, proxied=True)

    def inject(self, stage: Stage) -> None:
        """Close the proxy, and open it. Others take for dead whom a shard does not hear for 5 s."""
        site, proxy = site_of(stage), site_of(stage).proxy
        if VICTIM in site.homes_of(site.servers[0]):
            stage.expect_drops(site.servers[0])
        stage.mark_fault()
        proxy.shut()
        stage.hold(10)
        proxy.open()
        stage.mark_fault()


class ShardFailover(ShardFault):
    """SIGKILL to a Redis, which has a replica and a Sentinel."""

    name = "shard-failover"
    description = "kill -9 of one of two Redis, whose replica a Sentinel promotes"
    # What the replica had not got yet is lost, also entries of inboxes.
    limits = Limits(lost=None)
    leaves_gaps = True

    def site(self, folder: Path, engine: Path) -> ShardSite:
        """A site whose second shard has a replica and a Sentinel."""
        return ShardSite(folder, self.setting(folder), engine, is_watched=True)

    def inject(self, stage: Stage) -> None:
        """Kill it, and wait for the replica."""
        site = site_of(stage)
        assert site.watched is not None
        stage.mark_fault()
        site.shards[VICTIM] = site.watched.fail_over()
        stage.mark_fault()
        settle(stage)


class PullerKilled(ShardFault):
    """SIGKILL to the worker that carries messages to a shard."""

    name = "puller-killed"
    description = "kill -9 of the worker that pulls for one of two shards, 5 times (quick: twice)"

    def inject(self, stage: Stage) -> None:
        """Kill it, and its successors."""
        site = site_of(stage)
        for _ in range(int(stage.size.choose(5, 2))):
            victim = site.puller_of(VICTIM)
            stage.mark_fault(victim)
            victim.kill()
            site.replace_dead_workers()
            stage.hold(2)


class PullerFrozen(ShardFault):
    """SIGSTOP to the worker that carries messages to a shard."""

    name = "puller-frozen"
    description = "SIGSTOP to the worker that pulls for one of two shards, for 15 s (quick: 8 s)"

    def inject(self, stage: Stage) -> None:
        """Freeze it until another one pulls, and let it go on."""
        victim = site_of(stage).puller_of(VICTIM)
        victim.freeze()
        stage.mark_fault(victim)
        stage.hold(stage.size.choose(15, 8))
        victim.resume()
        stage.allow_uncommitted(victim)
