"""What one server has heard of the logs of other shards; no I/O."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from channels_workers.exceptions import MessageError
from channels_workers.layers.shards.types import Mark
from channels_workers.layers.types import InboxKind, InboxOperation
from channels_workers.log_limits import Episodes
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

GAP = (
    "Messages from shard %s are lost (%s): it lost its data, or was cut off for longer than its "
    "log lasts. Sockets on this server may have missed some"
)

_is_mark = re.compile(rb"([0-9a-z]+):([0-9]{1,15})").fullmatch


class Heard:
    """The marks of one server; after a loss of data it is told again what it may have heard."""

    def __init__(self) -> None:
        self.marks: dict[str, Mark] = {}
        #: How many gaps there were.
        self.gaps = 0
        self._episodes = Episodes()

    def sift(self, operations: Sequence[InboxOperation]) -> tuple[list[InboxOperation], list[str]]:
        """Return the operations that are new, and the groups of the joins that are not.

        The layer has put the server into these groups again.
        """
        new, known, is_known = [], [], False
        for operation in operations:
            if operation.kind is InboxKind.HEARD:
                is_known = self._is_known(operation)
            if not is_known:
                new.append(operation)
            elif operation.kind in (InboxKind.JOIN, InboxKind.RESUME):
                known.append(operation.target)
        return new, known

    def _is_known(self, operation: InboxOperation) -> bool:
        known, found = self.marks.get(operation.target), read_mark(operation.value)
        if known is None or found is None:
            return False
        return known.epoch == found.epoch and found.seq <= known.seq

    def note(self, operation: InboxOperation, entry: str) -> None:
        """Note that the operations of a log entry follow."""
        if (mark := read_mark(operation.value)) is None:
            raise MessageError("It has no mark.")
        self.marks[operation.target] = mark

    def note_gap(self, operation: InboxOperation, entry: str) -> None:
        """Note that entries of a log are lost."""
        self.gaps += 1
        what = operation.value.decode()
        extra = fields("shard_gap")
        self._episodes.log(logger, logging.WARNING, GAP, operation.target, what, extra=extra)

    def read_all(self, marks: Mapping[str, Mark]) -> None:
        """Note that the server has read all up to *marks*, those of its shard.

        They may be lower than what it has heard, after the shard has lost its data. It learns of
        another epoch from its inbox alone: nobody knows which of two is the older one.
        """
        for source, mark in marks.items():
            known = self.marks.get(source, Mark(mark.epoch, -1))
            if mark.epoch == known.epoch != "" and mark.seq > known.seq:
                self.marks[source] = mark


def read_mark(value: bytes) -> Mark | None:
    """Return the mark that *value* is, None for anything else."""
    found = _is_mark(value)
    return Mark(found[1].decode(), int(found[2])) if found else None
