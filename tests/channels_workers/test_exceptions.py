from typing import Any

import pytest
from channels.exceptions import ChannelFull as LayerChannelFull

from channels_workers import exceptions
from channels_workers.exceptions import (
    ChannelError,
    ChannelFull,
    ChannelSocketException,
    DenyConnection,
    LayerUnavailable,
    MessageError,
    MessageTooLarge,
    ServerEvicted,
    WebsocketCloseException,
    is_close_code,
)
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from tests.channels_workers.clients import Client, contents, outbox_of

ALLOWED = [1000, 3000, 3999, 4000, 4999]
REFUSED = [-1, 0, 1, 999, 1001, 1006, 1011, 2999, 5000, 65536]


def test_failures_share_a_base_class() -> None:
    for error in (ChannelFull, MessageError, MessageTooLarge, ServerEvicted, LayerUnavailable):
        assert issubclass(error, ChannelError)


def test_control_flow_exceptions_are_not_failures() -> None:
    for signal in (DenyConnection, ChannelSocketException, WebsocketCloseException):
        assert not issubclass(signal, ChannelError)
    assert issubclass(WebsocketCloseException, ChannelSocketException)


def test_third_party_code_can_catch_our_errors_by_known_names() -> None:
    assert issubclass(ChannelFull, LayerChannelFull)
    assert issubclass(MessageTooLarge, MessageError)
    assert issubclass(MessageError, ValueError)


def test_the_module_docstring_shows_every_exception() -> None:
    assert exceptions.__doc__ is not None
    defined = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and value.__module__ == exceptions.__name__
    }
    assert {name for name in defined if name not in exceptions.__doc__} == set()


def test_a_full_channel_is_named_with_the_remedy() -> None:
    error = ChannelFull("background", 5)
    assert (error.channel, error.capacity) == ("background", 5)
    assert "'background' holds 5 messages" in str(error)
    assert "`capacity`" in str(error)


@pytest.mark.parametrize("code", ALLOWED)
def test_close_codes_that_an_application_may_use(code: int) -> None:
    assert is_close_code(code)
    WebsocketCloseException(code)


@pytest.mark.parametrize("code", REFUSED)
def test_close_codes_that_an_application_may_not_use(code: int) -> None:
    assert not is_close_code(code)
    with pytest.raises(ValueError, match=rf"^invalid close code {code} \(must be 1000 or from \["):
        WebsocketCloseException(code)


def test_a_socket_exception_without_run_reports_what_is_missing(client_socket: Client) -> None:
    message = Message({}, "websocket.receive", client_socket.layer)
    with pytest.raises(NotImplementedError, match=r"run\(message\)"):
        ChannelSocketException().run(message)


@pytest.mark.parametrize(("code", "sent"), [(None, True), (1000, 1000), (4001, 4001)])
def test_run_closes_the_socket(code: int | None, sent: Any, client_socket: Client) -> None:
    content = {"reply_channel": client_socket.reply_channel}
    WebsocketCloseException(code).run(Message(content, "websocket.receive", client_socket.layer))
    assert client_socket.replies == [{"close": sent}]


@pytest.mark.parametrize(
    ("channel", "content"),
    [("background", {"reply_channel": "replies"}), ("websocket.receive", {}), ("background", {})],
)
def test_closing_needs_a_socket(
    channel: str, content: dict[str, Any], memory_layer: InMemoryChannelLayer
) -> None:
    with outbox_of(memory_layer), pytest.raises(ValueError, match="non-websocket handler"):
        WebsocketCloseException().run(Message(content, channel, memory_layer))
    assert contents(memory_layer, "replies") == []
