"""A plan of what log entries of another shard do here; see ``apply.lua``."""

from __future__ import annotations

from channels_workers.layers.memory.histories import History
from channels_workers.layers.memory.plan import Plan
from channels_workers.layers.memory.shard_data import KeptSend, Logged, Positioned, gap
from channels_workers.layers.shards.types import EVERYWHERE, LogEntry, Mark
from channels_workers.layers.types import (
    Delivery,
    GroupSend,
    InboxKind,
    InboxOperation,
    Join,
    Leave,
    Send,
    Session,
)


class Incoming(Plan):
    """Collects the writes of log entries."""

    _mark = "", Mark("", 0)

    def add_entry(self, source: str, epoch: str, entry: LogEntry, shard: str) -> None:
        """Plan the operations of *entry* that are for *shard*, this one."""
        before = {server: len(found) for server, found in self._inboxes.items()}
        self._mark = source, Mark(epoch, entry.seq)
        for logged in entry.operations:
            if logged.destination in (shard, EVERYWHERE):
                self._add(logged)
        mark = str(self._mark[1]).encode()
        for server, found in self._inboxes.items():
            if len(found) > (start := before.get(server, 0)):
                found.insert(start, InboxOperation(InboxKind.HEARD, source, mark))

    def tell_gap(self, source: str, mark: Mark, value: str) -> None:
        """Plan to tell all servers that entries of *source* up to *mark* are lost."""
        for server, _ in self.store.of_kind("server"):
            self._inboxes[server] += gap(source, mark, value)

    def _add(self, logged: Logged) -> None:
        match logged.operation:
            case Send(channel, payload):
                self.send(Delivery(channel, "", "", logged.id, payload))
            case GroupSend(group, payload):
                self._without_history(group, logged.id, payload)
            case KeptSend(group, payload, histories) if self._is_new(group):
                self.histories = histories
                self._send_to_group(group, logged.id, payload)
            case Positioned():
                self._add_positioned(logged, logged.operation)
            case Join(group, channel) if self._is_new(channel):
                self._join(group, channel)
            case Leave(group, channel) if self._is_new(channel):
                self._leave(group, channel)
            case Session() if not self._is_known(logged.operation.reply_channel):
                self.save_session(logged.operation)

    def _is_new(self, channel: str) -> bool:
        """Say whether the shard itself has not seen this entry; servers of reply channels skip it.

        An ordinary channel would get its messages again, a history other positions for them.
        """
        shard = self.store.shard
        return "!" in channel or shard is None or not shard.has(*self._mark)

    def _is_known(self, reply: str) -> bool:
        """Say whether a server had heard this entry when it registered again."""
        shard, server = self.store.shard, self.store.server_of(reply)
        return server is None or shard is None or shard.has_heard(server, *self._mark)

    def send(self, message: Delivery) -> None:
        """Plan to send *message*, unless its ordinary channel has it already."""
        if self._is_new(message.channel):
            super().send(message)

    def _without_history(self, group: str, message_id: str, payload: bytes) -> None:
        histories, self.histories = self.histories, None
        self._send_to_group(group, message_id, payload)
        self.histories = histories

    def _add_positioned(self, logged: Logged, sent: Positioned) -> None:
        group, payload, self.histories, position = sent
        limits = sent.histories.limits_of(group)
        if limits is not None:
            history, payloads = self._open(group, limits)
            offset, is_same = history.last + len(payloads) + 1, history.epoch == position.epoch
            if not is_same or position.offset > offset:
                history, payloads = History(position.epoch, position.offset - 1), []
                self._kept[group] = history, limits, payloads
            if not is_same or position.offset >= offset:
                payloads.append(payload)
        self._send_to_group(group, logged.id, payload, str(position))
