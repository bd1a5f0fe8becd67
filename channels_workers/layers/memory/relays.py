"""The relay side of the memory layer; see ``claim_relay.lua`` and ``send_once.lua``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from channels_workers.exceptions import ChannelFull
from channels_workers.layers.history import Histories
from channels_workers.layers.memory.plan import Plan
from channels_workers.layers.memory.store import Store
from channels_workers.layers.relays import Claim, Claimed, LayerRelays, Relayed, StoredOperation

#: The claim to a database that no relay has claimed.
NOBODY = ("", "", 0.0, 0.0)


class MemoryRelays(LayerRelays):
    """The relay side of a layer in *store*; *capacity_of* returns the capacity of a channel."""

    def __init__(
        self, store: Store, capacity_of: Callable[[str], int], histories: Histories | None
    ) -> None:
        self.store = store
        self._capacity_of = capacity_of
        self._histories = histories

    def claim(self, claim: Claim, forget: Sequence[str] = ()) -> Claimed | None:
        """Claim a database, or renew the claim."""
        store, (database, holder, seconds, renews) = self.store, claim
        with store.changed:
            now = store.clock()
            fence, known, since, duration = store.claims.get(database, NOBODY)
            if known not in ("", holder) and since <= now < since + duration:
                return None
            if known != holder or not renews:
                fence = next(store.tokens)
            store.claims[database] = (fence, holder, now, seconds)
            kept = store.relayed.setdefault(database, set())
            kept.difference_update(forget)
            return Claimed(fence, list(kept))

    def send_once(
        self, database: str, fence: str, sends: Sequence[StoredOperation]
    ) -> list[Relayed] | None:
        """Carry out *sends*, each once."""
        with self.store.changed:
            if self.store.claims.get(database, NOBODY)[0] != fence:
                return None
            kept = self.store.relayed[database]
            plan = Plan(self.store, self._capacity_of, self._histories)
            results = [self._plan(plan, kept, send) for send in sends]
            plan.write()
            return results

    @staticmethod
    def _plan(plan: Plan, kept: set[str], send: StoredOperation) -> Relayed:
        if send.key in kept:
            return Relayed.REPEATED
        with suppress(ChannelFull):
            plan.add_all([send.operation], send.key)
            kept.add(send.key)
            return Relayed.DONE
        return Relayed.FULL

    def nudge(self, using: str) -> None:
        """End a wait."""
        with self.store.changed:
            self.store.nudged.add(using)
            self.store.changed.notify_all()

    def wait(self, using: str, timeout: float) -> None:
        """Wait for a nudge."""
        with self.store.changed:
            self.store.changed.wait_for(lambda: using in self.store.nudged, timeout)
            self.store.nudged.discard(using)
