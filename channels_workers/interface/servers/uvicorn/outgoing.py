"""Frames for one client of uvicorn, whose `send` waits while the client does not read."""

from __future__ import annotations

from typing import Any

from channels_workers.interface.actions import ClientAction, CloseSocket
from channels_workers.interface.frames import SharedFrame
from channels_workers.interface.outgoing import Outgoing
from channels_workers.interface.servers.uvicorn import server as uvicorn
from channels_workers.interface.servers.uvicorn.direct import writer_for


class UvicornOutgoing(Outgoing):
    """The events on their way to one client of uvicorn, by a task only while it does not read."""

    __slots__ = ("_protocol", "_write_whole")

    def _attach(self) -> None:
        self._protocol: Any = uvicorn.protocol_behind(self.send)
        self._write_whole = writer_for(self._protocol)

    def unsent(self) -> int:
        """Return how many bytes wait for the client, in uvicorn's transport too."""
        return self._size + uvicorn.unsent_bytes(self.send)

    def put(self, action: ClientAction) -> None:
        """Send the event of *action* at once if nothing waits before it.

        A close has a task of its own. It may take its time, and a time-out in it belongs to the
        task in which it began.
        """
        if isinstance(action, CloseSocket):
            uvicorn.abort_later(self.send)
            super().put(action)
        elif self.writer is not None:
            super().put(action)
        else:
            self._begin(action)

    def put_shared(self, shared: SharedFrame) -> None:
        """Write the bytes of a frame to the transport, if `send` would do nothing else."""
        write = self._write_whole
        if write is None or self.writer is not None:
            self.put(shared.frame)
            return
        try:
            is_written = write(self._protocol, shared)
        except Exception as error:  # noqa: BLE001  (the server's own; it ends that socket)
            self._note_failure(error)
            return
        if is_written:
            traffic = self.traffic
            traffic.frames_sent += 1
            traffic.sent_bytes += shared.length
            if traffic.times is not None:
                traffic.note_sent(traffic.committed_at())
        else:
            self.put(shared.frame)

    def cut(self) -> None:
        """Drop the connection; uvicorn's transport would wait until all is read."""
        super().cut()
        transport = uvicorn.transport_of(self.send)
        if transport is not None:
            transport.abort()
