"""The relay side of a layer with shards: each database has a home shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from channels_workers.layers.relays import Claim, Claimed, LayerRelays, Relayed, StoredOperation
from channels_workers.layers.shards.names import home_of


class ShardedRelays(LayerRelays):
    """Sends each call to the shard of its database; *by_name* are the relay sides of the shards."""

    def __init__(self, by_name: Mapping[str, LayerRelays]) -> None:
        self._by_name = by_name
        self._names = tuple(by_name)

    def _of(self, name: str) -> LayerRelays:
        return self._by_name[home_of(name, self._names)]

    def claim(self, claim: Claim, forget: Sequence[str] = ()) -> Claimed | None:
        """Claim a database, or renew the claim."""
        return self._of(claim.database).claim(claim, forget)

    def send_once(
        self, database: str, fence: str, sends: Sequence[StoredOperation]
    ) -> list[Relayed] | None:
        """Carry out *sends*, each once."""
        return self._of(database).send_once(database, fence, sends)

    def nudge(self, using: str) -> None:
        """End a wait."""
        self._of(using).nudge(using)

    def wait(self, using: str, timeout: float) -> None:
        """Wait for a nudge."""
        self._of(using).wait(using, timeout)
