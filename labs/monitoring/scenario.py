"""What happens to the site, and which alerts that makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labs.harness.crowd.traffic import Traffic
from labs.harness.stage import Stage
from labs.monitoring.site import Site
from labs.monitoring.trouble import Trouble

#: How long the site has no trouble, before the first and after the last (s).
CALM = 20.0


@dataclass(frozen=True)
class Act:
    """Something that happens, and then *rest* s without more.

    *alerts* must fire within *patience* s after its beginning.
    """

    title: str
    happen: Callable[[Site, Traffic], None]
    alerts: tuple[str, ...] = ()
    rest: float = 10.0


def _nothing(site: Site, traffic: Traffic) -> None:
    Stage.hold(CALM)


def _kill_a_worker(site: Site, traffic: Traffic) -> None:
    """Kill one, and start another when the site has noticed."""
    site.workers[0].kill()
    Stage.hold(6)
    site.replace_dead_workers()


def _freeze_redis(site: Site, traffic: Traffic) -> None:
    with site.redis.process.frozen():
        Stage.hold(15)


def _release_a_bug(site: Site, traffic: Traffic) -> None:
    site.set_trouble(Trouble.BAD_RELEASE, on=True)
    Stage.hold(20)
    site.set_trouble(Trouble.BAD_RELEASE, on=False)


def _slow_down_a_service(site: Site, traffic: Traffic) -> None:
    site.set_trouble(Trouble.SLOW_SERVICE, on=True)
    Stage.hold(50)
    site.set_trouble(Trouble.SLOW_SERVICE, on=False)


def _say_what_crashes(site: Site, traffic: Traffic) -> None:
    """Send two messages, each of which kills its worker three times."""
    for person in ("r0s0", "r1s0"):
        traffic.order(person, do="kill")
    for _ in range(8):
        Stage.hold(3)
        site.replace_dead_workers()


def _empty_redis(site: Site, traffic: Traffic) -> None:
    site.redis.flush()


ACTS = (
    Act("calm", _nothing),
    Act("a worker is killed", _kill_a_worker),
    Act("Redis is frozen for 15 s", _freeze_redis, ("LayerUnavailable",)),
    Act("a release has a bug", _release_a_bug, ("ConsumerFails", "TasksFail")),
    Act("a service is slow", _slow_down_a_service, ("ConsumerHangs", "WorkersBusy")),
    Act(
        "two messages crash their workers",
        _say_what_crashes,
        ("ProcessesDie", "DeadLettersIncreased"),
    ),
    Act("Redis is emptied", _empty_redis, ("DataLost",)),
    Act("calm again", _nothing),
)
