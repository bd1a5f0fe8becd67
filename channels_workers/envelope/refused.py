"""What a consumer of envelopes raises to refuse a frame."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

#: The error codes of the protocol. A consumer may use others.
INVALID, UNKNOWN, DENIED, LATER, FAILED = "invalid", "unknown", "denied", "later", "failed"

#: The text of an error whose consumer gives none.
TEXTS = {
    INVALID: "This is not valid.",
    UNKNOWN: "There is no such thing.",
    DENIED: "You may not do this.",
    LATER: "Try again later.",
    FAILED: "The server could not do this.",
}

_is_code = re.compile(r"[a-z][a-z0-9_]{0,39}").fullmatch

#: One entry of ``fields``: the dotted path of a field, and what is wrong with it.
Field = Mapping[str, str]


class Refused(Exception):
    """Raise it in a handler to refuse its frame: the client gets an ``error``.

    *code* is one of the :doc:`protocol </reference/protocol>`, or one of your own: up to 40 lower
    case letters, digits and underscores. *message* is for people, and has a text by default.
    *fields* names what is wrong: a dict from dotted paths to texts, or a list of
    ``{"field": ..., "message": ...}``. *after* is the number of seconds after which it makes sense
    to try again. Raises ``ValueError`` for anything else.

    What the handler sent before goes out, as after other exceptions. With ``once`` its SQL is
    rolled back. Nothing is logged.
    """

    def __init__(
        self,
        code: str = DENIED,
        message: str = "",
        fields: Mapping[str, str] | Iterable[Field] = (),
        after: float | None = None,
    ) -> None:
        if not _is_code(str(code)):
            raise ValueError(
                "The code of Refused has up to 40 lower case letters, digits and underscores, such "
                f"as 'denied'. It was {code!r}."
            )
        if after is not None and not 0 <= after < math.inf:
            raise ValueError(f"`after` of Refused is a number of seconds, not {after!r}.")
        self.code = code
        self.message = str(message) or TEXTS.get(code, code)
        self.fields = _as_list(fields)
        self.after = after
        super().__init__(f"{code}: {self.message}")

    def content(self) -> dict[str, Any]:
        """Return the keys of its ``error`` frame, but for the one that says what it answers."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.fields:
            found["fields"] = self.fields
        if self.after is not None:
            found["after"] = self.after
        return found


def _as_list(fields: Mapping[str, str] | Iterable[Field]) -> list[dict[str, str]]:
    if isinstance(fields, Mapping):
        return [{"field": str(name), "message": str(text)} for name, text in fields.items()]
    return [{"field": str(each["field"]), "message": str(each["message"])} for each in fields]
