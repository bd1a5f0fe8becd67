"""Encodes and decodes the content of messages."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgpack
from channels_redis.serializers import MsgPackSerializer

from channels_workers.exceptions import MessageError, MessageTooLarge

Content = dict[str, Any]

#: The types that can contain dicts.
CONTAINERS = (dict, list, tuple)

_unpack = partial(msgpack.unpackb, strict_map_key=False)


class Serializer(MsgPackSerializer):  # type: ignore[misc]
    """channels-redis's msgpack serializer, keys of any type allowed in dicts."""

    from_bytes = staticmethod(_unpack)


class Codec:
    """Encodes content with msgpack, and encrypts it when keys are given.

    *message_size* is the limit of the encoded form in bytes. The first of
    *symmetric_encryption_keys* encrypts, all of them decrypt.
    """

    def __init__(
        self, message_size: int, symmetric_encryption_keys: list[str | bytes] | None = None
    ) -> None:
        self.message_size = message_size
        self._serializer = Serializer(symmetric_encryption_keys=symmetric_encryption_keys)

    def encode(self, content: Content) -> bytes:
        """Return *content* as bytes.

        Raises TypeError if it is no dict, :class:`MessageError` if msgpack cannot encode a value or
        a key, and :class:`MessageTooLarge` if the result exceeds ``message_size``.
        """
        if not isinstance(content, dict):
            raise TypeError(f"A message must be a dict, not {type(content).__name__}: {content!r}")
        try:
            check_keys(content)
        except RecursionError as error:
            raise MessageError(_explain(error)) from error
        return self.encode_own(content)

    def encode_own(self, content: Content) -> bytes:
        """Do as :meth:`encode` for content that the engine made, with text as keys."""
        try:
            payload: bytes = self._serializer.serialize(content)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise MessageError(_explain(error)) from error
        if len(payload) > self.message_size:
            raise MessageTooLarge(
                f"The message has {len(payload):,} bytes when encoded; the limit is "
                f"{self.message_size:,}. Send a reference to the data instead, or raise "
                "`message_size` in the CONFIG of CHANNEL_LAYERS. A response to a request may have "
                "any size by AsgiHandler.send_response() of channels_workers.handler."
            )
        return payload

    def decode(self, payload: bytes) -> Content:
        """Return the content of *payload*; raise :class:`MessageError` if it has none."""
        try:
            content = self._serializer.deserialize(payload)
        except Exception as error:  # each serializer and cipher has its own errors
            raise MessageError(
                f"A message cannot be decoded ({type(error).__name__}: {error}); do all "
                "processes share the same `symmetric_encryption_keys`?"
            ) from error
        if not isinstance(content, dict):
            raise MessageError(f"A message must hold a dict, not {type(content).__name__}.")
        return content


def check_keys(value: Any) -> None:
    """Raise :class:`MessageError` for keys that do not survive encoding."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, tuple):
                raise MessageError(
                    f"The message has the key {key!r}; a tuple comes back as a list, which is no "
                    "key. Use text instead."
                )
            if isinstance(inner, CONTAINERS):
                check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            if isinstance(inner, CONTAINERS):
                check_keys(inner)


def _explain(error: Exception) -> str:
    return (
        f"The message cannot be encoded ({type(error).__name__}: {error}). Content may hold "
        "None, booleans, integers of 64 bits, floats, text without lone surrogates, bytes, "
        "lists and dicts; turn anything else into one of these, e.g. dates with isoformat()."
    )
