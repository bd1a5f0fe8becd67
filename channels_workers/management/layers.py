"""The layers that commands look at."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from channels_workers.layers.base import WorkerLayer
from channels_workers.registry import get_channel_layer


def shared_layer(alias: str, command: BaseCommand) -> WorkerLayer:
    """Return the layer *alias* for *command*.

    Raises :class:`CommandError` for a layer in memory if the command has a process of its own, and
    is not called by code of another one: it would see an empty layer.
    """
    layer = get_channel_layer(alias)
    is_alone = getattr(command, "_called_from_command_line", False)
    if is_alone and layer.local_only:
        raise CommandError(
            f"CHANNEL_LAYERS[{alias!r}] is in the memory of each process, so this command cannot "
            "see that of a server or a worker. Use "
            '"BACKEND": "channels_workers.layers.redis.RedisChannelLayer".'
        )
    return layer
