"""Takes sockets out of their rooms that no disconnect will ever come of.

That is so for those of a server that the channel layer does not know: a ``runserver`` whose layer
ended with it, or all servers and Redis lost at once. A worker looks when it starts.
"""

import logging
import threading
from collections.abc import Collection
from typing import Any

from django.db import DatabaseError, connections
from django.utils import timezone

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.operations import server_of
from channels_workers.logs import fields
from chat import presence, pruning
from chat.models import Departure, Presence

logger = logging.getLogger(__name__)

TEXT = "Who is in the rooms was not looked at: %s"

#: How long a server may be unknown (s): one whose Redis lost its data registers again within that.
GRACE = 15.0


def on_worker_ready(sender: Any, **kwargs: object) -> None:
    """Sweep, once in each process whose workers run the chat."""
    if sender.number == 0 and _runs_chat(sender.group):
        start(sender.channel_layer)


def _runs_chat(group: Any) -> bool:
    from chat.consumers import ws_connect  # noqa: PLC0415  (consumers are imported late)

    return any(getattr(one, "consumer", None) is ws_connect for one in group.router.root.routing)


def start(layer: WorkerLayer) -> None:
    """Sweep now what can be known to be gone now, else look again after a while."""
    pruning.now_and_then()
    try:
        gone = unknown_servers(layer)
        if not gone or layer.local_only:
            sweep(gone)
            return
    except (DatabaseError, LayerUnavailable) as error:
        logger.warning(TEXT, error, extra=fields("sweep_failed"))
        return
    timer = threading.Timer(GRACE, _sweep_if_still_unknown, [layer, gone])
    timer.daemon = True
    timer.start()


def _sweep_if_still_unknown(layer: WorkerLayer, suspects: set[str]) -> None:
    try:
        sweep(suspects & unknown_servers(layer))
    except (DatabaseError, LayerUnavailable) as error:
        logger.warning(TEXT, error, extra=fields("sweep_failed"))
    finally:
        connections.close_all()


def unknown_servers(layer: WorkerLayer) -> set[str]:
    """The servers that have sockets in rooms, and that the layer does not know."""
    # Rows first: each of them was made after its server had registered.
    channels = list(Presence.objects.values_list("reply_channel", flat=True))
    servers = {server for channel in channels if (server := server_of(channel)) is not None}
    return servers - set(layer.processes())


def sweep(servers: Collection[str]) -> None:
    """Take the sockets of these servers out of their rooms."""
    for channel in list(Presence.objects.values_list("reply_channel", flat=True)):
        if server_of(channel) in servers:
            presence.leave(channel)
    Departure.objects.filter(timestamp__lt=timezone.now() - presence.REMEMBERED).delete()
