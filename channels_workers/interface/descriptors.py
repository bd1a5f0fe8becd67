"""How many files, and thus sockets, an interface server may have open."""

from __future__ import annotations

import logging
import sys

from channels_workers.logs import fields

if sys.platform != "win32":
    import resource

logger = logging.getLogger(__name__)

#: As many as it asks for, within the hard limit of its user or container.
WANTED = 65_536

#: With fewer it says so at its start.
FEW = 4_096

CURE = (
    "Raise the hard limit: ulimit -Hn, LimitNOFILE of systemd, or --ulimit nofile of Docker. Or "
    "run more servers"
)
TOO_FEW = "This server may have only %d files open, and each client needs one. " + CURE
FULL = (
    "This server has %d sockets, and may have %d files open. Above that new clients get no answer. "
    + CURE
)


def open_files() -> int:
    """Return how many files a process may have open at most."""
    if sys.platform == "win32":
        return WANTED
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return WANTED if hard == resource.RLIM_INFINITY else hard


class OpenFiles:
    """The limit of one server."""

    def __init__(self) -> None:
        self.limit = sys.maxsize
        self._is_nearly_full = False

    def raise_limit(self) -> None:
        """Raise the soft limit, which is 1,024 on many systems for programs that use `select`."""
        if sys.platform == "win32":
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.limit = soft
        if soft != resource.RLIM_INFINITY and soft < (allowed := min(WANTED, open_files())):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            self.limit = allowed
        if 0 < self.limit < FEW:
            logger.warning(TOO_FEW, self.limit, extra=fields("few_files"))

    def note(self, sockets: int) -> None:
        """Log once if nine tenths of the limit are *sockets*, until it is fewer than eight."""
        if not self._is_nearly_full and sockets > 0.9 * self.limit > 0:
            self._is_nearly_full = True
            logger.warning(FULL, sockets, self.limit, extra=fields("few_files"))
        elif self._is_nearly_full and sockets < 0.8 * self.limit:
            self._is_nearly_full = False
