"""How an interface server tells the layer that a connection has ended."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Protocol

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.logs import shown

logger = logging.getLogger(__name__)


class Ended(Protocol):
    """A socket or a request, for the log."""

    path: str

    def fields(self, event: str) -> dict[str, str | int]:
        """Return the fields of a log line about it."""


async def tell_end(layer: WorkerLayer, reply_channel: str, code: int, ended: Ended) -> None:
    """Tell *layer* that the connection of *reply_channel* has ended with *code*, or log why not.

    It waits while the layer is away.
    """
    await _tell(layer.close(reply_channel, code), ended)


async def tell_parked(layer: WorkerLayer, reply_channel: str, code: int, parked: Ended) -> None:
    """Let *layer* keep the connection of *reply_channel* for its client, or log why not.

    It ends with *code* unless the client comes back in time. This waits while the layer is away.
    """
    await _tell(layer.kept.park(reply_channel, code), parked)


async def _tell(telling: Awaitable[object], ended: Ended) -> None:
    try:
        await telling
    except LayerUnavailable as error:  # the link ended: the server stops, or is lost
        text, extra = "The end of %s is not told: %s", ended.fields("end_not_told")
        logger.info(text, shown(ended.path), error, extra=extra)
    except Exception:
        text, extra = "Telling the end of %s failed", ended.fields("end_not_told")
        logger.exception(text, shown(ended.path), extra=extra)
