from typing import Any

import pytest

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import Finished
from channels_workers.message import Message
from tests.channels_workers.clients import Client, pull_one

LAYER = InMemoryChannelLayer()


def make_message(**content: Any) -> Message:
    return Message(content, "background", LAYER)


def test_it_knows_its_channel() -> None:
    message = make_message(text="hi")
    assert message.channel.name == "background"
    assert message.channel.channel_layer is LAYER
    assert message.channel_layer is LAYER
    assert message.content == {"text": "hi"}


def test_it_reads_and_writes_like_a_dict() -> None:
    message = make_message(text="hi")
    message["more"] = 1
    assert message["text"] == "hi"
    assert "more" in message
    assert "less" not in message
    assert list(message.keys()) == ["text", "more"]
    assert list(message.values()) == ["hi", 1]
    assert list(message.items()) == [("text", "hi"), ("more", 1)]
    assert message.content == {"text": "hi", "more": 1}


def test_a_missing_key() -> None:
    message = make_message()
    assert message.get("text") is None
    assert message.get("text", "nothing") == "nothing"
    with pytest.raises(KeyError):
        message["text"]


def test_the_reply_channel_is_a_channel_of_the_same_layer() -> None:
    message = make_message(reply_channel="server!one")
    assert message.reply_channel is not None
    assert message.reply_channel.name == "server!one"
    assert message.reply_channel.channel_layer is LAYER


@pytest.mark.parametrize("content", [{}, {"reply_channel": None}, {"reply_channel": ""}])
def test_without_a_reply_channel_it_is_none(content: dict[str, Any]) -> None:
    assert make_message(**content).reply_channel is None


def test_a_copy_may_be_modified() -> None:
    message = make_message(names=["a"], reply_channel="server!one")
    copied = message.copy()
    copied["names"].append("b")
    copied["more"] = 1
    assert message.content == {"names": ["a"], "reply_channel": "server!one"}
    assert str(copied.reply_channel) == "server!one"
    assert (copied.channel.name, copied.channel_layer) == ("background", LAYER)


def test_a_message_that_was_not_delivered_has_no_id() -> None:
    assert make_message().id == ""
    assert repr(make_message()) == "<Message (no id) on background>"


def test_a_delivered_message_has_its_stable_id(client_socket: Client) -> None:
    layer = client_socket.layer
    sent = client_socket.connect()
    delivery = pull_one(layer)
    layer.requeue(delivery, counted=True)
    for found in (delivery, pull_one(layer)):
        message = Message(layer.content(found), found.channel, layer, found)
        assert message.id == sent == f"{client_socket.reply_channel}:0"
        assert message.copy().id == sent
        assert repr(message) == f"<Message {sent} on websocket.connect>"


def test_a_frame_has_reply_channel_path_and_order(client_socket: Client) -> None:
    layer = client_socket.layer
    client_socket.connect()
    layer.commit(Finished(pull_one(layer)))
    client_socket.send("hi")
    delivery = pull_one(layer)
    assert layer.content(delivery) == {
        "reply_channel": client_socket.reply_channel,
        "path": "/chat/",
        "text": "hi",
        "order": 1,
    }


def test_a_disconnect_has_code_and_order(client_socket: Client) -> None:
    layer = client_socket.layer
    client_socket.connect()
    layer.commit(Finished(pull_one(layer)))
    client_socket.leave(3001)
    assert layer.content(pull_one(layer)) == {
        "reply_channel": client_socket.reply_channel,
        "path": "/chat/",
        "code": 3001,
        "order": 1,
    }
