"""How many files, and thus sockets, a process may have open."""

from __future__ import annotations

import resource

#: Files of a process beside the sockets that it opens.
OTHERS = 200


def allow_sockets(count: int) -> None:
    """Let this process open *count* sockets. SystemExit if its hard limit forbids that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + OTHERS
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SystemExit(
                f"{count} sockets need {needed} open files, and this machine allows {hard} for a "
                f"process. Raise the hard limit (ulimit -Hn {needed}, or LimitNOFILE of systemd)."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
