"""Messages as types: read strictly, written, and described by JSON Schema. Needs ``schemas``.

The types are dataclasses, ``TypedDict`` or models of pydantic. Pydantic reads all of them.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

try:
    import pydantic  # noqa: F401  (only to know that it is there)
except ImportError as error:
    raise ImproperlyConfigured(
        "channels_workers.schemas needs the package pydantic, version 2.12 or later. Install it: "
        "pip install 'channels-workers[schemas]'. To declare types without reading them, import "
        "declares and sends from channels_workers.declarations."
    ) from error

from channels_workers.declarations import declares, sends
from channels_workers.schemas.consumers import TypedWebsocketConsumer
from channels_workers.schemas.errors import Invalid
from channels_workers.schemas.frames import receives
from channels_workers.schemas.json_schema import schema_of
from channels_workers.schemas.reading import Reader, read, read_text
from channels_workers.schemas.writing import plain, write

__all__ = [
    "Invalid",
    "Reader",
    "TypedWebsocketConsumer",
    "declares",
    "plain",
    "read",
    "read_text",
    "receives",
    "schema_of",
    "sends",
    "write",
]
