"""Calls that block a running event loop, and calls that do not."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from channels_workers.channel import Channel, Group
from channels_workers.concurrency import blocking
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.sessions import session_for_reply_channel
from labs.harness.redis_server import RedisServer
from tests.channels_workers.clients import outbox_of

REPLY_CHANNEL = "0123456789abcdef!a"

CALLS: dict[str, Callable[[], Any]] = {
    "Channel.send": lambda: Channel("work").send({}),
    "Group.send": lambda: Group("chat").send({}),
    "Group.add": lambda: Group("chat").add("work"),
    "Group.discard": lambda: Group("chat").discard("work"),
    "session_for_reply_channel()": lambda: session_for_reply_channel(REPLY_CHANNEL),
}

Logged = Callable[[], list[str]]


@pytest.fixture
def logged(
    settings: Settings, caplog: pytest.LogCaptureFixture, memory_layer: InMemoryChannelLayer
) -> Iterator[Logged]:
    """The log under DEBUG, empty at first."""
    settings.DEBUG = True
    blocking._logged.clear()
    yield lambda: [record.getMessage() for record in caplog.records]
    blocking._logged.clear()


@pytest.mark.parametrize("name", CALLS)
async def test_under_debug_the_call_site_and_the_remedy_are_logged(
    name: str, logged: Logged
) -> None:
    CALLS[name]()
    [text] = logged()
    _, line = inspect.getsourcelines(CALLS[name])
    assert f"{__file__}:{line} calls {name} in a running event loop" in text
    kind, _, method = name.rpartition(".")
    assert (f"Await {kind}.a{method} there." if kind else "sync_to_async()") in text


async def test_each_call_site_is_logged_once(logged: Logged) -> None:
    for _ in range(3):
        Group("chat").send({})
        Group("chat").send({})
    assert len(logged()) == 2


async def test_immediate_calls_block_the_consumers_of_a_worker(
    logged: Logged, memory_layer: InMemoryChannelLayer
) -> None:
    with outbox_of(memory_layer):
        Group("chat").send({}, immediately=True)
        Group("chat").add("work")
    assert len(logged()) == 2


async def test_saving_a_session_immediately_is_logged(logged: Logged) -> None:
    session = await sync_to_async(session_for_reply_channel)(REPLY_CHANNEL)
    session["a"] = 1
    assert logged() == []
    session.save()
    assert ["asave()" in text for text in logged()] == [True]
    await session.asave()
    assert len(logged()) == 1


async def test_calls_that_do_not_block_are_not_logged(
    logged: Logged, memory_layer: InMemoryChannelLayer
) -> None:
    group, channel = Group("chat"), Channel("work")
    await group.asend({})
    await group.aadd("work")
    await group.adiscard("work")
    await channel.asend({})
    await channel.asend({}, immediately=True)
    await sync_to_async(channel.send)({})
    with outbox_of(memory_layer):
        channel.send({})
        group.send({})
        await group.aadd("work")
    assert logged() == []


def test_nothing_is_logged_without_an_event_loop(logged: Logged) -> None:
    Group("chat").send({})
    assert logged() == []


async def test_nothing_is_logged_in_production(logged: Logged, settings: Settings) -> None:
    settings.DEBUG = False
    Group("chat").send({})
    assert logged() == []


async def test_the_remembered_call_sites_are_bounded(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "PLACES", 2)
    for number in range(5):
        code = compile("Group('chat').send({})", f"made up {number}", "exec")
        exec(code, {"Group": Group})
    assert len(logged()) == 2


# The awaitable alternatives


async def test_outside_a_consumer_awaiting_completes_the_call(
    memory_layer: InMemoryChannelLayer,
) -> None:
    await Group("chat").aadd("work")
    await Group("chat").asend({"n": 1})
    await Channel("work").asend({"n": 2})
    await Group("chat").adiscard("work")
    await Group("chat").asend({"n": 3})
    assert [(await memory_layer.receive("work"))["n"] for _ in range(2)] == [1, 2]
    assert memory_layer.length("work") == 0


async def test_in_a_consumer_both_kinds_keep_one_order(
    memory_layer: InMemoryChannelLayer,
) -> None:
    with outbox_of(memory_layer) as outbox:
        Channel("work").send({"n": 1})
        await Channel("work").asend({"n": 2})
        Group("chat").send({"n": 3})
        await Group("chat").asend({"n": 4})
        await Channel("work").asend({"n": 0}, immediately=True)
    kinds = [type(operation).__name__ for operation in outbox.operations]
    assert kinds == ["Send", "Send", "GroupSend", "GroupSend"]
    sent = [memory_layer.codec.decode(one[1])["n"] for one in outbox.operations]  # type: ignore[arg-type]
    assert sent == [1, 2, 3, 4]
    assert await memory_layer.receive("work") == {"n": 0}
    assert memory_layer.length("work") == 0


async def test_errors_are_raised_at_the_call(memory_layer: InMemoryChannelLayer) -> None:
    with pytest.raises(TypeError, match="You can only send dicts"):
        await Channel("work").asend("text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="You can only send dicts"):
        await Group("chat").asend("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name must be"):
        await Group("with space").aadd("work")


async def test_an_event_loop_keeps_running_while_redis_is_slow(
    redis_server: RedisServer, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"SEND_TIMEOUT": 60}
    layer = RedisChannelLayer(hosts=[redis_server.url])
    group = Group("chat", channel_layer=layer)
    try:
        await group.aadd("work")
        with redis_server.client() as client:
            client.client_pause(8_000)
        sending = [asyncio.create_task(group.asend({"n": number})) for number in range(3)]
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not any(task.done() for task in sending)
        with redis_server.client() as client:
            client.client_unpause()
        await asyncio.gather(*sending)
        assert layer.length("work") == 3
    finally:
        layer.disconnect()
