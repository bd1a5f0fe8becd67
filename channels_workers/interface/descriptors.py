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

#: With fewer it says so.
FEW = 4_096

TOO_FEW = (
    "This server may have %d files open, and each client needs one. More clients cannot connect, "
    "nor can Redis or the database be reached then. Raise the hard limit: ulimit -Hn, LimitNOFILE "
    "of systemd, or --ulimit nofile of Docker"
)


def open_files() -> int:
    """Return how many files this process may have open at most."""
    if sys.platform == "win32":
        return WANTED
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return WANTED if hard == resource.RLIM_INFINITY else hard


def raise_limit() -> None:
    """Raise the soft limit, which is 1,024 on many systems for programs that use `select`."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = min(WANTED, open_files())
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < FEW:
        logger.warning(TOO_FEW, allowed, extra=fields("few_files"))
