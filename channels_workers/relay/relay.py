"""The relay of one database to one layer: a step sends the oldest rows, then deletes them.

Killed or frozen between any two calls, it leaves rows that another relay finds. The layer remembers
what was sent until its rows are deleted, and does nothing for a relay that lost its claim; see
:mod:`channels_workers.layers.relays`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from channels_workers import recorder
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.relays import Claim, Relayed
from channels_workers.layers.types import new_id
from channels_workers.logs import fields
from channels_workers.relay import rows
from channels_workers.relay.rows import Row

logger = logging.getLogger(__name__)

#: For how long a relay claims a database (s). Each step renews it; then another one may take over.
CLAIMED = 5.0


class Relay:
    """Relays the sends for *layer*, with this *alias*, that are stored in the database *using*.

    It begins no step after *ended* is set.
    """

    def __init__(
        self, using: str, layer: WorkerLayer, alias: str, ended: threading.Event | None = None
    ) -> None:
        self.using = using
        self.layer = layer
        self.alias = alias
        self._ended = ended or threading.Event()
        self._database = ""
        self._holder = new_id()
        self._fence = ""  # the token of the claim
        self._renews = True
        self._deleted: list[str] = []  # keys to forget
        self._has_claim = False
        self._knows_kept = False  # which rows the remembered keys have
        self._full: set[str] = set()

    def look(self) -> bool:
        """Send all that is stored; return False if another relay has claimed the database.

        It also returns False at the end. Raises errors of the database, and
        :class:`LayerUnavailable`. Then it is to be called again.
        """
        full: set[str] = set()
        try:
            while not self._ended.is_set() and self._claim():
                found = rows.next_rows(self.using, self.alias, full)
                if not found:
                    self._note_full(full)
                    return True
                full |= self._send(found)
        except Exception:
            self._knows_kept = False
            raise
        return False

    def claim(self) -> None:
        """Claim the database, or try to, and send nothing; raises the errors of :meth:`look`."""
        self._claim()

    def _claim(self) -> bool:
        """Claim the database, or renew the claim; let the layer forget what is deleted."""
        if not self._database:
            self._database = rows.name_of(self.using, self.alias)
        claimed = self.layer.relays.claim(self._claim_for(CLAIMED), self._deleted)
        self._deleted, self._renews = [], True
        self._has_claim = claimed is not None
        if claimed is None:
            return False
        if claimed.fence != self._fence:
            self._fence, self._knows_kept = claimed.fence, False
        if claimed.kept and not self._knows_kept:  # those of a relay that died, or of a lost reply
            self._deleted = rows.without_row(self.using, claimed.kept)
        self._knows_kept = True
        return True

    def _claim_for(self, seconds: float) -> Claim:
        return Claim(self._database, self._holder, seconds, self._renews)

    def _send(self, stored: Sequence[Row]) -> set[str]:
        """Send, then delete; return the channels that are full."""
        sends = [row.stored for row in stored]
        try:
            results = self.layer.relays.send_once(self._database, self._fence, sends)
        except Exception:
            # The request may still arrive, when its rows are deleted: its token must be void then.
            self._renews = False
            raise
        if results is None:
            return set()
        by_result = list(zip(stored, results, strict=True))
        done = [row for row, result in by_result if result is not Relayed.FULL]
        if done:
            rows.delete(self.using, done)
            if (found := recorder.current()) is not None:
                found.relay.relayed(len(done))
        self._deleted += [row.key.hex for row in done]
        return {row.channel for row, result in by_result if result is Relayed.FULL}

    def _note_full(self, full: set[str]) -> None:
        for channel in full - self._full:
            logger.warning(
                "Channel %s is full, so sends that are stored in %r wait. Run more workers for it, "
                "or raise its capacity.",
                channel,
                self.using,
                extra=fields("relay_waits", channel=channel),
            )
        self._full = full

    def release(self) -> None:
        """Give the claim up, so that another relay goes on at once."""
        if self._has_claim:
            self._has_claim = self._knows_kept = False
            self.layer.relays.claim(self._claim_for(0), self._deleted)
            self._deleted = []
