"""What the platform and the operator do to processes, under load."""

from __future__ import annotations

from labs.rehearsal.load import Counted
from labs.rehearsal.router import OWN_HOST
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step

#: How long people talk between two changes (s).
BETWEEN = 5.0


class ConfigVars(Step):
    """Another host name, and other config vars."""

    name = "config"
    description = "config vars changed: the release command, then all dynos restart at once"

    def play(self, stage: Stage) -> None:
        """Set what the following steps need.

        That is a host name, room for three workers, and people who talk a lot from one address.
        """
        app = stage.chat
        changes = {
            "ALLOWED_HOSTS": f".herokuapp.com,{OWN_HOST}",
            "WORKER_THREADS": "2",
            "CHAT_RATE_LIMIT": "0",
            "CHAT_ADDRESS_RATE_LIMIT": "0",
            "CHAT_ARRIVAL_RATE_LIMIT": "0",
            "CHAT_ROOM_RATE_LIMIT": "0",
            "CONNECTIONS_PER_ADDRESS": "0",
        }
        said = app.set_config(**changes)
        stage.expect("No migrations to apply" in said, f"a release without migrations: {said}")
        stage.note(", ".join(f"`{name}={value}`" for name, value in changes.items()))
        worker = app.dynos["worker"][0].process.output
        stage.expect("2 thread(s)" in worker, f"a worker with 2 threads: {worker[-300:]}")


class Scale(Step):
    """More workers, and fewer."""

    name = "scale"
    description = "`heroku ps:scale worker=3`, then `worker=1`, under load"

    def play(self, stage: Stage) -> None:
        """Scale out and in again."""
        app = stage.chat
        with stage.load():
            for count in (3, 1):
                stage.hold(BETWEEN)
                app.scale("worker", count)
            stage.hold(BETWEEN)
        stage.note("workers 1, 3, 1")
        stage.expect(app.killed == 0, f"workers to end in time, but {app.killed} were killed")


class WebRestart(Step):
    """The web dyno restarts and drops its sockets."""

    name = "web"
    description = "`heroku ps:restart web.1` under load: its sockets drop, pages come back"

    def play(self, stage: Stage) -> None:
        """Restart it."""
        app = stage.chat
        with stage.load("dropped") as counted:
            stage.hold(BETWEEN)
            app.restart("web")
        stage.note(f"all came back, {counted.fetched} messages shown by the history")
        judge(stage, counted)


class Daily(Step):
    """Each dyno restarts about once a day, workers too."""

    name = "daily"
    description = "the daily restart, under load: web.1, then worker.1"

    def play(self, stage: Stage) -> None:
        """Restart one after the other."""
        app = stage.chat
        with stage.load("dropped") as counted:
            for kind in ("web", "worker"):
                stage.hold(BETWEEN)
                app.restart(kind)
            stage.hold(BETWEEN)
        stage.note(f"the slowest dyno of the rehearsal so far stopped in {app.slowest:.1f} s")
        judge(stage, counted)


def judge(stage: Stage, counted: Counted) -> None:
    """Expect that the web dyno dropped all of its sockets and that no dyno had to be killed."""
    killed = stage.chat.killed
    stage.expect(counted.dropped >= counted.sockets, f"all to drop, not {counted.dropped}")
    stage.expect(killed == 0, f"a timely exit, but {killed} dynos were killed")


class RedisMaintenance(Step):
    """A Redis without persistence restarts empty."""

    name = "redis"
    description = "maintenance of Redis under load: it stops, and starts empty"

    #: How long it is down (s).
    AWAY = 2.0

    def play(self, stage: Stage) -> None:
        """Stop it, start it."""
        with stage.load():
            stage.hold(BETWEEN)
            stage.site.key_value.stop()
            stage.hold(self.AWAY)
            stage.site.key_value.start()
        stage.note(f"away for {self.AWAY:g} s")


class DatabaseMaintenance(Step):
    """PostgreSQL restarts, which cuts the workers' persistent connections."""

    name = "postgres"
    description = (
        "PostgreSQL stops and starts under load: consumers fail meanwhile, pages send again"
    )

    def play(self, stage: Stage) -> None:
        """Stop it, start it. A page abandons a socket that does not answer for 20 s."""
        with stage.load("dropped", "disordered", by_rows=True):
            stage.hold(BETWEEN)
            stage.site.postgres.stop()
            stage.site.postgres.start()
        stage.note("each message is stored once, and was shown to all in its room")
