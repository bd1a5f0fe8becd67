"""A site gets more shards under load, and loses one that was drained."""

from __future__ import annotations

from pathlib import Path

from labs.faults.shard_fault import ShardFault, site_of
from labs.faults.shard_site import ShardSite
from labs.faults.stage import Stage
from labs.harness.waiting import wait_for

#: Time-out until a drained shard has no connection (s).
DRAINED = 60.0


class ShardsAdded(ShardFault):
    """A site with one Redis gets two more."""

    name = "shards-added"
    description = (
        "a site goes from one Redis to three: workers, then servers restart in turn with the new "
        "hosts, and the clients come back"
    )
    calm_timeout = 60.0

    def site(self, folder: Path, engine: Path) -> ShardSite:
        """Begin with the first of three."""
        return ShardSite(folder, self.setting(folder), engine, 3, ("a",))

    def inject(self, stage: Stage) -> None:
        """Let all processes know all shards, one after the other."""
        site = site_of(stage)
        site.known = tuple(site.shards)
        stage.count_from_now()
        restart(stage, site)
        site.run("python", "-m", "django", "shards", "add")
        # Servers that know all shards now choose among them when they start again.
        restart_servers(stage, site)
        used = set[str]().union(*map(site.homes_of, site.servers))
        stage.note(f"sockets were on {', '.join(sorted(used))}")
        stage.expect(used > {"a"}, f"sockets were only on {used}")


class ShardDrained(ShardFault):
    """One of three shards is emptied by its operator, and removed."""

    name = "shard-drained"
    description = (
        "one of three Redis is drained, its server restarts elsewhere, and all processes restart "
        "in turn without it"
    )
    count = 3
    servers = ("daphne", "daphne", "daphne")
    calm_timeout = 60.0

    def inject(self, stage: Stage) -> None:
        """Drain it, and take it away."""
        site = site_of(stage)
        stage.count_from_now()
        site.run("python", "-m", "django", "shards", "drain", "b")
        victim = site.server_at("b")
        stage.expect_drops(victim)
        site.replace_server(victim)
        wait_for(lambda: not site.connections()["b"], "no connection on b", DRAINED)
        stage.note(f"connections: {site.connections()}")
        site.known = ("a", "c")
        restart(stage, site)
        removed = site.shards.pop("b")
        removed.process.kill()


def restart(stage: Stage, site: ShardSite) -> None:
    """Replace each worker, then each server."""
    for worker in list(site.workers):
        site.replace_worker(worker)
    restart_servers(stage, site)


def restart_servers(stage: Stage, site: ShardSite) -> None:
    """Replace each server; its clients come back."""
    for server in list(site.servers):
        stage.expect_drops(server)
        site.replace_server(server)
        stage.expect(stage.traffic.wait_until_calm(60), f"no calm: {stage.traffic.status()}")
    site.note_homes()
