"""Warns of calls that block a running event loop while they wait for the layer."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from django.conf import settings

from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How many places in the code are remembered; each is logged once.
PLACES = 1_000

_OWN = f"{Path(__file__).parents[1]}{os.sep}"
_logged: set[tuple[str, int]] = set()


def warn_in_event_loop(call: str, cure: str) -> None:
    """Under ``DEBUG``, log that *call* was made in a running event loop, once for each place.

    While its event loop waits for a slow Redis, a server or a worker does nothing else.
    """
    if not settings.DEBUG:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    place = _caller()
    if place in _logged or len(_logged) >= PLACES:
        return
    _logged.add(place)
    logger.warning(
        "%s:%d calls %s in a running event loop, which blocks until the layer has answered. %s",
        *place,
        call,
        cure,
        extra=fields("blocks_event_loop"),
    )


def _caller() -> tuple[str, int]:
    """Return the file and line of the nearest caller outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
