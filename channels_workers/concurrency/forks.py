"""Renews in a forked child what it cannot share: sockets, threads, locks and names.

A fork copies all memory and no thread. Servers fork after they loaded the application
(``gunicorn --preload``), process pools fork, and consumers may.
"""

from __future__ import annotations

import logging
import os
from typing import Protocol
from weakref import WeakSet

from channels_workers.logs import fields

logger = logging.getLogger(__name__)


class Renewable(Protocol):
    """Something that a forked child must renew."""

    def begin_in_child(self) -> None:
        """Let go of the parent's resources; called in the only thread of the child."""


#: Identifies this process: a forked child has another object here.
current = object()

_renewable: WeakSet[Renewable] = WeakSet()


def renew_in_child(thing: Renewable) -> None:
    """Call ``begin_in_child()`` of *thing* in each forked child, for as long as it lives."""
    _renewable.add(thing)


def _begin_in_child() -> None:
    global current
    current = object()
    for thing in list(_renewable):
        try:
            thing.begin_in_child()
        except Exception:  # the others must be renewed, too
            extra = fields("fork_failed")
            logger.exception("Cannot renew %r in this forked child", thing, extra=extra)


os.register_at_fork(after_in_child=_begin_in_child)
