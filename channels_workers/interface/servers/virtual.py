"""Sockets without a WebSocket behind them: how the engine holds them back, and cuts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from channels_workers.interface.servers.gate import Gate


class Virtual:
    """The server's end of a socket that HTTP requests carry; its `send` is a method of it."""

    def hold(self) -> None:
        """Take no more frames of the client for a while."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Take frames again."""
        raise NotImplementedError

    def cut(self) -> None:
        """Drop the connection, with all that waits for the client."""
        raise NotImplementedError


def end_behind(send: Any) -> Virtual | None:
    """Return the end of a virtual socket that *send* is a method of; None for other sockets."""
    owner = getattr(send, "__self__", None)
    return owner if isinstance(owner, Virtual) else None


class VirtualGate(Gate):
    """The gate of a virtual socket: its client waits for the answer of its request."""

    __slots__ = ("_end",)

    can_hold = True

    def __init__(
        self, end: Virtual, heard: Callable[[], object], broken: Callable[[], object]
    ) -> None:
        super().__init__(heard, broken)
        self._end = end

    def _stop_reading(self) -> None:
        self._end.hold()

    def _resume(self) -> None:
        self._end.let_go()

    def _cut(self) -> None:
        self._end.cut()
