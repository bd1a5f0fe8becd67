"""The channel layer in a shell, according to the specification of Channels 4."""

from contextlib import ExitStack

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from tests.examples.conftest import SERVERS, RunShell, SharedExample, open_socket

IMPORTS = """
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
layer = get_channel_layer()
"""
SEND = 'async_to_sync(layer.send)("test_channel", {"type": "hello"})\n'
RECEIVE = 'print(async_to_sync(layer.receive)("test_channel"))\n'
GROUP_SEND = 'async_to_sync(layer.group_send)("chat-lobby", {"type": "chat_message", "text": "hi"})'


def test_in_a_shell_over_redis(run_shell: RunShell) -> None:
    assert run_shell(IMPORTS + SEND + RECEIVE).output == "{'type': 'hello'}"


def test_in_a_shell_in_memory(run_shell: RunShell) -> None:
    shell = run_shell(IMPORTS + SEND + RECEIVE, REDIS_URL="")
    assert shell.output == "{'type': 'hello'}"


def test_from_one_shell_to_another(run_shell: RunShell) -> None:
    assert run_shell(IMPORTS + SEND).output == ""
    assert run_shell(IMPORTS + RECEIVE).output == "{'type': 'hello'}"


@pytest.mark.usefixtures("memory_layer")
def test_in_this_process() -> None:
    layer = get_channel_layer()
    async_to_sync(layer.send)("test_channel", {"type": "hello"})
    assert async_to_sync(layer.receive)("test_channel") == {"type": "hello"}


def test_a_channel_of_a_shell_in_a_group(run_shell: RunShell) -> None:
    code = """
name = async_to_sync(layer.new_channel)()
async_to_sync(layer.group_add)("chat-lobby", name)
async_to_sync(layer.group_send)("chat-lobby", {"type": "hello"})
print(async_to_sync(layer.receive)(name))
"""
    assert run_shell(IMPORTS + code).output == "{'type': 'hello'}"


def test_a_group_send_from_a_shell_calls_the_method_of_each_member(
    shared_example: SharedExample, run_shell: RunShell
) -> None:
    servers = [shared_example(kind) for kind in SERVERS]
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(open_socket(server, f"/ws/{chat}/lobby/"))
            for server in servers
            for chat in ("chat", "async-chat")
        ]
        run_shell(IMPORTS + GROUP_SEND)
        assert [socket.recv(60) for socket in sockets] == ["hi"] * 4
