"""The relay side of a layer with shards, which is that of its first one."""

from __future__ import annotations

from collections.abc import Sequence

from channels_workers.layers.relays import Claim, Claimed, LayerRelays, Relayed, StoredOperation


class ShardedRelays(LayerRelays):
    """Sends each call to the *first* shard, whose relay side this is.

    That one remembers what was sent. Processes that know other shards, as while some are added,
    must agree on it: else two relays would send the same rows.
    """

    def __init__(self, first: LayerRelays) -> None:
        self._first = first

    def claim(self, claim: Claim, forget: Sequence[str] = ()) -> Claimed | None:
        """Claim a database, or renew the claim."""
        return self._first.claim(claim, forget)

    def send_once(
        self, database: str, fence: str, sends: Sequence[StoredOperation]
    ) -> list[Relayed] | None:
        """Carry out *sends*, each once."""
        return self._first.send_once(database, fence, sends)

    def nudge(self, using: str) -> None:
        """End a wait."""
        self._first.nudge(using)

    def wait(self, using: str, timeout: float) -> None:
        """Wait for a nudge."""
        self._first.wait(using, timeout)
