import msgpack
import pytest

from channels_workers.effects import Effects, decode
from channels_workers.layers.types import GroupSend, Join, Leave, Send, SendLater, Session


def test_effects_come_back_from_their_bytes() -> None:
    effects = Effects(
        [
            Send("work", b"1"),
            GroupSend("chat", b"\xff"),
            SendLater("work", b"3", 1.5, "0123456789abcdef"),
            Leave("chat", "server!one"),
        ],
        [Join("chat", "server!one"), Leave("chat", "server!one")],
        Session("server!one", b"session"),
    )
    assert decode(effects.encode()) == effects
    assert decode(Effects([], []).encode()) == Effects([], [], None)


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 2, and this release reads 1"):
        decode(msgpack.packb([2, [], [], None, "new"]))
