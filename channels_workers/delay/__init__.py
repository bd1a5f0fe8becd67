"""Delayed messages. ``Channel(name).send(content, delay=seconds)`` sends one.

As ``channels.delay`` in 1.x, this package may be in ``INSTALLED_APPS``. It does not need to be.
"""

from __future__ import annotations

import asyncio

from channels_workers.concurrency.blocking import warn_in_event_loop
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer

__all__ = ["acancel", "cancel"]


def cancel(id: str, alias: str = DEFAULT_CHANNEL_LAYER) -> bool:  # noqa: A002  (its name elsewhere)
    """Cancel a delayed message now; return whether it still waited for its time.

    *id* is what ``send`` returned, and *alias* the layer it went to. A message that a consumer
    sends waits from its commit on. In a consumer ``cancel`` acts at once, and is not part of the
    commit. Raises :class:`~channels_workers.exceptions.LayerUnavailable`. It waits for the layer,
    so await :func:`acancel` in a coroutine.
    """
    warn_in_event_loop("delay.cancel", "Await delay.acancel(id) there.")
    return get_channel_layer(alias).admin.cancel(id)


async def acancel(id: str, alias: str = DEFAULT_CHANNEL_LAYER) -> bool:  # noqa: A002  (as in cancel)
    """Do the same as :func:`cancel` in a coroutine."""
    return await asyncio.to_thread(get_channel_layer(alias).admin.cancel, id)
