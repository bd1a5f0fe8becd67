"""The connection records and their sessions, as in ``connection.lua``; the store locks them."""

from __future__ import annotations

from dataclasses import dataclass

from channels_workers.exceptions import ServerEvicted
from channels_workers.layers.memory.processes import Processes
from channels_workers.layers.memory.streams import Streams
from channels_workers.layers.types import (
    CONNECT,
    DISCONNECT,
    Closed,
    Delivery,
    Held,
    Published,
    Session,
    server_of,
)

IDLE, BUSY, CLOSING, DISCONNECTING = "idle", "busy", "closing", "disconnecting"


@dataclass
class Record:
    """What the store knows of one connection."""

    order: int
    state: str
    disconnect_payload: bytes
    token: str = ""
    code: int | None = None


class Connections:
    """The records and the sessions by reply channel; messages go into *streams*.

    Only a server among *processes* can begin a connection.
    """

    def __init__(self, processes: Processes, streams: Streams) -> None:
        self.processes = processes
        self.streams = streams
        self.records: dict[str, Record] = {}
        self.sessions: dict[str, bytes] = {}

    def of(self, server: str) -> list[str]:
        """Return the reply channels of a server's connections."""
        return [reply for reply in self.records if server_of(reply) == server]

    def waiting_for(self, delivery: Delivery) -> Record | None:
        """Return the record of the connection that waits for *delivery*; None if none does."""
        record = self.records.get(delivery.reply_channel or "")
        if record is None or record.order != delivery.order or record.state == IDLE:
            return None
        return record

    def publish(
        self, channel: str, reply: str, order: int, payload: bytes, disconnect_payload: bytes
    ) -> Published:
        """Put a message of a connection into *channel*, once; see ``publish.lua``.

        ServerEvicted for a connection of nobody, RuntimeError for an order that cannot follow.
        """
        record = self.records.get(reply)
        if record is None:
            if server_of(reply) not in self.processes.counters:
                raise ServerEvicted(f"The server of {reply} is not registered.")
            if order != 0:
                return Published.GONE
            record = Record(-1, IDLE, disconnect_payload)
        if order <= record.order and record.state != DISCONNECTING:
            return Published.REPEATED
        if record.state in (CLOSING, DISCONNECTING):
            return Published.GONE
        if record.state != IDLE or order != record.order + 1:
            raise RuntimeError(f"order {order} cannot follow {record.order} ({record.state})")
        record.order, record.state = order, BUSY
        self.records[reply] = record
        self._publish_order(reply, record, channel, payload)
        return Published.PUBLISHED

    def republish(self, reply: str, held: Held) -> None:
        """Publish the message under way again, if it is not there; see ``republish.lua``."""
        record = self.records.get(reply)
        if record is None or record.state == IDLE:
            return
        channel, payload = held.under_way or ("", b"")
        if record.state == DISCONNECTING:
            channel, payload = DISCONNECT, record.disconnect_payload
        elif record.order != held.order:
            return
        stream = self.streams[channel]
        if channel and record.token not in stream.waiting.keys() | stream.pending.keys():
            self._publish_order(reply, record, channel, payload)

    def finish_order(self, reply: str, record: Record) -> None:
        """Go on after the message under way is finished."""
        if record.state == DISCONNECTING:
            self._delete(reply)
        elif record.state == CLOSING:
            self._publish_disconnect(reply, record)
        else:
            record.state, record.token = IDLE, ""

    def note_token(self, held: Delivery, token: str) -> None:
        """Note that the message *held*, if it is under way, has another token now."""
        record = self.records.get(held.reply_channel or "")
        if record is not None and record.token == held.token:
            record.token = token

    def close(self, reply: str, code: int) -> Closed:
        """End a connection; see ``close_connection``."""
        record = self.records.get(reply)
        if record is None:
            return Closed.GONE
        if record.state in (CLOSING, DISCONNECTING):
            return Closed.REPEATED
        record.code = code
        if record.state == IDLE:
            self._publish_disconnect(reply, record)
            return Closed.PUBLISHED
        if record.order == 0 and not self._is_taken(record):
            self.streams.withdraw(CONNECT, record.token)
            self._delete(reply)
            return Closed.WITHDRAWN
        record.state = CLOSING
        return Closed.CLOSING

    def keep_session(self, session: Session) -> None:
        """Save a session, if its connection lives."""
        if session.reply_channel in self.records:
            self.sessions[session.reply_channel] = session.payload

    def _is_taken(self, record: Record) -> bool:
        waiting = self.streams[CONNECT].waiting.get(record.token)
        return waiting is None or waiting.attempts + waiting.failures + waiting.deaths > 0

    def _publish_order(self, reply: str, record: Record, channel: str, payload: bytes) -> None:
        record.token = self.streams.add(
            Delivery(
                channel=channel,
                token="",
                consumer="",
                id=f"{reply}:{record.order}",
                payload=payload,
                reply_channel=reply,
                order=record.order,
                code=record.code,
                session=self.sessions.get(reply),
            )
        )

    def _publish_disconnect(self, reply: str, record: Record) -> None:
        record.order += 1
        record.state = DISCONNECTING
        self._publish_order(reply, record, DISCONNECT, record.disconnect_payload)

    def _delete(self, reply: str) -> None:
        self.records.pop(reply, None)
        self.sessions.pop(reply, None)
