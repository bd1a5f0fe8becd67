"""What a step on one shard does on others: one entry of its log."""

from __future__ import annotations

from channels_workers.layers.history import Histories
from channels_workers.layers.memory.shard_data import (
    KeptSend,
    Loggable,
    Logged,
    Positioned,
    ShardData,
)
from channels_workers.layers.shards.names import home_of, home_of_member, shard_of
from channels_workers.layers.shards.types import EVERYWHERE
from channels_workers.layers.types import GroupSend, Join, Leave, Operation, Send, Session


class Elsewhere:
    """Collects the operations of one step on the shard of *data* that concern other shards."""

    def __init__(self, data: ShardData, histories: Histories | None) -> None:
        self.data = data
        self._histories = histories
        self._logged: list[Logged] = []

    def takes(self, operation: Operation | Session, message_id: str) -> bool:
        """Log *operation* if it concerns other shards; return whether it concerns only them."""
        match operation:
            case Send(channel, _) if "!" in channel:
                home = self._home_of(channel)
            case Join(group, channel) | Leave(group, channel):
                home = self._home_of_member(group, channel)
            case Session(channel, _):
                home = self._home_of(channel)
            case GroupSend(group, _):
                return self._takes_group_send(group, operation, message_id)
            case _:
                return False
        if home == self.data.name:
            return False
        self._log(home, message_id, operation)
        return True

    def _home_of(self, channel: str) -> str:
        """Return the shard of a reply channel: the first one if its name has none."""
        return shard_of(channel) or self.data.names[0]

    def _home_of_member(self, group: str, channel: str) -> str:
        if "!" in channel:
            return self._home_of(channel)
        return home_of_member(group, channel, self.data.names)

    def _takes_group_send(self, group: str, operation: GroupSend, message_id: str) -> bool:
        if self._histories is None or self._histories.limits_of(group) is None:
            self._log(EVERYWHERE, message_id, operation)
            return False
        home = home_of(group, self.data.names)
        if home != self.data.name:
            sent = KeptSend(group, operation.payload, self._histories)
            self._log(home, message_id, sent)
        return home != self.data.name

    def note_position(self, message_id: str, sent: Positioned) -> None:
        """Log a message to a group with history, whose home is here."""
        self._log(EVERYWHERE, message_id, sent)

    def _log(self, destination: str, message_id: str, operation: Loggable) -> None:
        if destination in (EVERYWHERE, *self.data.names):
            self._logged.append(Logged(destination, message_id, operation))

    def write(self) -> bool:
        """Add the entry to the log; return whether there is one."""
        if self._logged:
            self.data.log.append(tuple(self._logged))
        return bool(self._logged)
