"""The ASGI application of an interface server, and the configured channel layers."""

from __future__ import annotations

import logging
import threading
from functools import partial

from django.core.asgi import get_asgi_application

from channels_workers.exceptions import LayerUnavailable
from channels_workers.health import Application
from channels_workers.interface import Interface
from channels_workers.logs import fields
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, channel_layers, get_channel_layer

logger = logging.getLogger(__name__)

__all__ = ["channel_layers", "get_application", "get_channel_layer"]


def get_application(
    http: Application | None = None, alias: str = DEFAULT_CHANNEL_LAYER
) -> Interface:
    """Return the application that gives sockets to workers, and HTTP to Django or to *http*.

    Put it into ``asgi.py``; it sets Django up. *alias* names the layer in ``CHANNEL_LAYERS``.
    """
    django_application = get_asgi_application()
    threading.Thread(target=_announce, args=(alias,), name="announce", daemon=True).start()
    return Interface(http or django_application, partial(get_channel_layer, alias))


def _announce(alias: str) -> None:
    """Say at the start, not at the first socket, whether the layer's server can be used."""
    layer = get_channel_layer(alias)
    try:
        layer.check_server()
    except LayerUnavailable as error:
        logger.error(
            "%s Sockets wait for it, and are refused at the handshake time-out.",
            error,
            extra=fields("layer_lost"),
        )
    else:
        logger.info("Sockets go to workers by %s", layer, extra=fields("server_starts"))
