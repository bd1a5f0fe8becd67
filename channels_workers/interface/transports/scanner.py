"""Reads the JSON that a client sends frames with, piece by piece.

``json.loads`` needs a quarter of a second for a megabyte of empty lists, and nobody else is served
meanwhile. Here each piece must be one that our clients send, and the first other one ends it.
"""

from __future__ import annotations

import re
from json import JSONDecoder

from channels_workers.interface.transports.refusals import bad_request

_skip_space = re.compile(r"[ \t\r\n]*").match
_number = re.compile(r"(?:0|[1-9][0-9]{0,15})(?![0-9.eE])").match
_bytes = re.compile(r'\{[ ]?"bytes":[ ]?"([A-Za-z0-9+/]*={0,2})"[ ]?\}').match
_decode = JSONDecoder().raw_decode


class Scanner:
    """A position in a *text*; all methods raise a refusal where it has something else."""

    __slots__ = ("_at", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def takes(self, mark: str) -> bool:
        """Say whether *mark* comes next, and step behind it."""
        self._at = _end_of(_skip_space(self._text, self._at))
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def expect(self, mark: str) -> None:
        """Step behind *mark*."""
        if not self.takes(mark):
            raise bad_request(
                f"The body is not JSON of this kind: there is no {mark} at {self._at}."
            )

    def string(self) -> str:
        """Return the string that comes next."""
        self.expect('"')
        try:
            value, self._at = _decode(self._text, self._at - 1)
        except ValueError:
            raise bad_request(f"A string at {self._at} is not JSON.") from None
        return str(value)

    def number(self) -> int:
        """Return the whole number that comes next, of 16 digits at most."""
        self.takes("")
        found = _number(self._text, self._at)
        if found is None:
            raise bad_request(f"There is no number of a frame at {self._at}.")
        self._at = found.end()
        return int(found[0])

    def frame(self) -> str | re.Match[str]:
        """Return the text that comes next or, of a binary frame, the match with its base64."""
        self.takes("")
        found = _bytes(self._text, self._at)
        if found is None:
            return self.string()
        self._at = found.end()
        return found

    def end(self) -> None:
        """Check that nothing follows."""
        self.takes("")
        if self._at != len(self._text):
            raise bad_request(f"Something follows the body at {self._at}.")


def _end_of(found: re.Match[str] | None) -> int:
    assert found is not None  # noqa: S101  (for the type checker: it matches nothing, too)
    return found.end()
