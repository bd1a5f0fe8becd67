"""A site whose Redis has a replica, and a Sentinel that promotes it."""

from __future__ import annotations

from pathlib import Path

from labs.faults.sentinel import Watched
from labs.faults.site import ENGINE, Setting, Site


class FailoverSite(Site):
    """Processes ask the Sentinel for the address of Redis."""

    def __init__(self, folder: Path, setting: Setting, engine: Path = ENGINE) -> None:
        super().__init__(folder, setting, engine)
        self.watched = Watched(self.redis, folder)

    def start_before_redis(self) -> None:
        """Start replica and Sentinel."""
        self.watched.start()
        self.redis_url = self.watched.host

    def fail_over(self) -> None:
        """Kill Redis, and wait until its replica is promoted."""
        self.redis = self.watched.fail_over()

    def kill(self) -> None:
        """Kill what still runs."""
        super().kill()
        self.watched.kill()
