"""Frames for clients of uvicorn that agreed to permessage-deflate (RFC 7692).

A client reads a frame that is not compressed, or that was compressed without looking back, whatever
came before. Only the server's own compressor must not look back beyond such a frame, because it has
not seen it.

websockets makes compressor and decompressor, of 38 and 7 KiB, with the handshake. Many sockets need
neither for long: they are freed, and come back with the first frame for them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from channels_workers.interface.frames import COMPRESSED, WINDOW_BITS, SharedFrame
from channels_workers.interface.servers import parts
from channels_workers.logs import fields

MISSING = (
    "The permessage-deflate of %s has no %s. Frames for groups are compressed for each socket, "
    "which is slower and takes more memory. Use a version that channels_workers was tested with"
)

#: Returns how many bits the window for our frames has, and the compressor that is kept, if any.
Look = Callable[[Any], tuple[int, Any]]


class Known(NamedTuple):
    """A class of extensions: what a new one is made with, the names that it needs, its function."""

    package: str
    arguments: tuple[Any, ...]
    names: tuple[str, ...]
    look: Look


#: The functions for the classes of extensions met so far, None for one that is left to its server.
_looks: dict[type, Look | None] = {}

#: What those of websockets need.
WEBSOCKETS_PARTS = (
    *("__dict__", "compress_settings", "decoder", "encoder", "local_max_window_bits"),
    *("local_no_context_takeover", "remote_max_window_bits", "remote_no_context_takeover"),
)

#: The classes of websockets with compressors that come back, by those without.
_returning: dict[type, type] = {}


def wire_for(extensions: Sequence[Any], shared: SharedFrame) -> bytes | None:
    """Return a frame as a client with these extensions reads it; None if its server must say.

    The caller writes it next, and nothing before it.
    """
    if not shared.to_group or len(extensions) != 1:
        return None
    extension = extensions[0]
    look = _look_for(extension)
    if look is None:
        return None
    bits, compressor = look(extension)
    if bits < WINDOW_BITS:
        return shared.wire or shared.encode()
    wire = shared.deflated or shared.deflate()
    if compressor is not None and wire[0] & COMPRESSED:
        compressor.flush(zlib.Z_FULL_FLUSH)  # it returns an empty block, which nobody needs
    return wire


def forget(extensions: Sequence[Any]) -> None:
    """Free compressor and decompressor of a client that has just connected, until it needs them."""
    for extension in extensions:
        if _look_for(extension) is _of_websockets:
            extension.__class__ = _returning_kind(type(extension))
            vars(extension).pop("encoder", None)
            vars(extension).pop("decoder", None)


def _look_for(extension: Any) -> Look | None:
    kind = type(extension)
    return _looks[kind] if kind in _looks else _meet(extension)


def _meet(extension: Any) -> Look | None:
    kind = type(extension)
    name = f"{kind.__module__}.{kind.__qualname__}"
    known = KNOWN.get(name)
    if known is not None and (missing := _missing(kind, known)):
        parts.report(MISSING, known.package, ", ".join(missing), extra=fields("feature_missing"))
        known = None
    look = _looks[kind] = None if known is None else known.look
    return look


def _missing(kind: type, known: Known) -> list[str]:
    """Return what a new extension lacks: one in use has its compressor at times only."""
    try:
        return parts.missing(kind(*known.arguments), known.names)
    except TypeError:
        return [f"constructor for {len(known.arguments)} arguments"]


def _returning_kind(kind: type) -> type:
    found = _returning.get(kind)
    if found is None:
        found = type(f"Returning{kind.__name__}", (kind,), {"__getattr__": _make})
        _looks[found] = _of_websockets
        _returning[kind] = _returning[found] = found
    return found


def _make(extension: Any, name: str) -> Any:
    """Make a compressor or decompressor as the extension of websockets does."""
    if name == "encoder":
        bits, settings = extension.local_max_window_bits, extension.compress_settings
        extension.encoder = zlib.compressobj(wbits=-bits, **settings)
        return extension.encoder
    if name == "decoder":
        extension.decoder = zlib.decompressobj(wbits=-extension.remote_max_window_bits)
        return extension.decoder
    raise AttributeError(f"{type(extension).__name__!r} object has no attribute {name!r}")


def _of_websockets(extension: Any) -> tuple[int, Any]:
    compressor = None if extension.local_no_context_takeover else vars(extension).get("encoder")
    return extension.local_max_window_bits, compressor


def _of_wsproto(extension: Any) -> tuple[int, Any]:
    return extension.server_max_window_bits, extension._compressor


KNOWN = {
    "websockets.extensions.permessage_deflate.PerMessageDeflate": Known(
        "websockets", (False, False, 15, 15), WEBSOCKETS_PARTS, _of_websockets
    ),
    "wsproto.extensions.PerMessageDeflate": Known(
        "wsproto", (), ("_compressor", "server_max_window_bits"), _of_wsproto
    ),
}
