"""Where the engine counts and times what it does, if the project wants metrics.

This module needs no package. Without metrics there is nothing here, and code pays for a comparison
with None.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from channels_workers.logs import fields

if TYPE_CHECKING:
    from channels_workers.metrics.instruments import Instruments

logger = logging.getLogger(__name__)

_instruments: Instruments | None = None
_is_missed = False


def instruments() -> Instruments | None:
    """Return the instruments of this process, None without metrics.

    Objects that record ask once, when they are made or when they connect, and keep the answer.
    """
    global _is_missed
    if _instruments is None:
        _is_missed = True
    return _instruments


def current() -> Instruments | None:
    """Return the same, for an event of this moment."""
    return _instruments


def use(given: Instruments | None) -> None:
    """Let the objects that are made from now on record with *given*."""
    global _instruments, _is_missed
    if given is not None and _is_missed:
        logger.warning(
            "Metrics begin after parts of the engine have started. These record nothing. Call "
            "channels_workers.metrics.register() in the ready() of an app",
            extra=fields("metrics_late"),
        )
    _instruments, _is_missed = given, False
