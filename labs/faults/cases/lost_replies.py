"""Redis executes commands, but their replies are lost."""

from __future__ import annotations

from pathlib import Path

from labs.faults.fault import Fault
from labs.faults.proxy import KINDS, Proxy
from labs.faults.site import Setting
from labs.faults.stage import Stage
from labs.harness.waiting import wait_for


class LostReplies(Fault):
    """Connections break after Redis executed a command and before its reply."""

    name = "lost-replies"
    description = "replies of Redis to publish, pull and commit are lost, 10 of each (quick: 3)"
    deaths = 0

    def setting(self, folder: Path) -> Setting:
        """A site with a proxy in front of Redis."""
        return Setting(proxied=True)

    def inject(self, stage: Stage) -> None:
        """Lose replies."""
        stage.count_from_now()
        proxy, times = stage.site.proxy, int(stage.size.choose(10, 3))
        for kind in KINDS * times:
            cut_one(proxy, kind)
        stage.note(f"lost: {dict(proxy.cuts)}")


def cut_one(proxy: Proxy, kind: str) -> None:
    """Lose one reply, and return afterwards."""
    wanted = proxy.cuts[kind] + 1
    proxy.arm(kind, 1)
    wait_for(lambda: proxy.cuts[kind] >= wanted, f"a {kind} to be cut")
