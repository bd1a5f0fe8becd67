"""The relay side of the Redis layer: stored sends, each once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from channels_workers.layers.history import Histories
from channels_workers.layers.redis import told
from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.registration import Registrations
from channels_workers.layers.redis.requests import Request, encode_operations
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.relays import Claim, Claimed, LayerRelays, Relayed, StoredOperation

#: Matches the names of processes but those of tests; see ``claim_relay.lua``.
_is_id = re.compile("[0-9a-f]+").fullmatch


class RedisRelays(LayerRelays):
    """The relay side of a layer in the Redis of *client*; see ``send_once.lua``.

    *capacity_of* returns the capacity of a channel; *histories* are those of the layer. Claims end
    with the worker of *registrations*.
    """

    def __init__(
        self,
        client: Client,
        capacity_of: Callable[[str], int],
        histories: Histories | None,
        registrations: Registrations,
    ) -> None:
        self._client = client
        self._registrations = registrations
        self._capacity_of = capacity_of
        self._histories = histories

    def claim(self, claim: Claim, forget: Sequence[str] = ()) -> Claimed | None:
        """Claim a database, or renew the claim."""
        database, holder, seconds, renews = claim
        duration = round(seconds * 1_000_000)
        if _is_id(worker := self._registrations.worker):
            holder = f"{worker}z{holder}"
        arguments: Arguments = [database, holder, duration, "renews" if renews else "", *forget]
        fence, *kept = self._client.call(Request("claim_relay", arguments))
        if not fence:
            return None
        return Claimed(fence.decode(), [key.decode("utf-8", "backslashreplace") for key in kept])

    def send_once(
        self, database: str, fence: str, sends: Sequence[StoredOperation]
    ) -> list[Relayed] | None:
        """Carry out *sends*, each once."""
        arguments: Arguments = [database, fence]
        for key, operation in sends:
            encoded = encode_operations(
                [operation], self._capacity_of, self._histories, self._client.shard
            )
            arguments += (key, *encoded)
        is_ours, *results = self._client.call(Request("send_once", arguments))
        return [Relayed(each.decode()) for each in results] if is_ours else None

    def nudge(self, using: str) -> None:
        """End a wait."""
        self._client.call(Request("nudge_relay", [using]))

    def wait(self, using: str, timeout: float) -> None:
        """Wait for a nudge, in one command: not longer than two seconds."""
        told.pop(self._client, f"nudge:{using}", timeout)
