"""What a forked child does not share with its parent: sockets, threads, locks and names.

A server that loads the application before it forks (``gunicorn --preload``), a pool of processes,
or a consumer that starts one, copies all of the memory. Its threads stay behind.
"""

from __future__ import annotations

import logging
import os
from typing import Protocol
from weakref import WeakSet

from channels_workers.logs import fields

logger = logging.getLogger(__name__)


class Renewable(Protocol):
    """Something that a forked child begins anew with."""

    def begin_in_child(self) -> None:
        """Let go of what is the parent's; called in the child, whose only thread is this one."""


#: Stands for this process: a forked child has another one.
current = object()

_renewable: WeakSet[Renewable] = WeakSet()


def renew_in_child(thing: Renewable) -> None:
    """Have *thing* begin anew in each forked child, for as long as it lives."""
    _renewable.add(thing)


def _begin_in_child() -> None:
    global current
    current = object()
    for thing in list(_renewable):
        try:
            thing.begin_in_child()
        except Exception:  # the rest must not share anything either
            extra = fields("fork_failed")
            logger.exception("%r is not fit for this forked child", thing, extra=extra)


os.register_at_fork(after_in_child=_begin_in_child)
