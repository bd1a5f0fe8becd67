import asyncio
import threading

import pytest
from pytest_django import Settings

from channels_workers.channel import Channel
from channels_workers.exceptions import OutboxFull
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.types import (
    REQUEST,
    Delivery,
    Send,
)
from channels_workers.outbox import Outbox, carry_out
from tests.channels_workers.clients import contents, outbox_of


def put(layer: InMemoryChannelLayer, text: str, immediately: bool = False) -> None:
    carry_out(layer, layer.make_send("background", {"text": text}), immediately)


def texts(layer: InMemoryChannelLayer) -> list[str]:
    return [content["text"] for content in contents(layer, "background")]


def kept(outbox: Outbox) -> list[str]:
    sends = [item for item in outbox.operations if isinstance(item, Send)]
    return [outbox.layer.codec.decode(item.payload)["text"] for item in sends]


def test_operations_are_kept_in_order(memory_layer: InMemoryChannelLayer) -> None:
    with outbox_of(memory_layer) as outbox:
        put(memory_layer, "one")
        put(memory_layer, "two")
    assert kept(outbox) == ["one", "two"]
    assert texts(memory_layer) == []


def test_immediate_operations_are_not_kept(memory_layer: InMemoryChannelLayer) -> None:
    with outbox_of(memory_layer) as outbox:
        put(memory_layer, "one")
        put(memory_layer, "two", immediately=True)
    assert kept(outbox) == ["one"]
    assert texts(memory_layer) == ["two"]


def test_without_an_outbox_operations_are_immediate(memory_layer: InMemoryChannelLayer) -> None:
    with outbox_of(memory_layer):
        pass
    put(memory_layer, "one")
    assert texts(memory_layer) == ["one"]


def test_an_outbox_closes_when_its_consumer_raises(memory_layer: InMemoryChannelLayer) -> None:
    def consumer(outboxes: list[Outbox]) -> None:
        with outbox_of(memory_layer) as outbox:
            outboxes.append(outbox)
            put(memory_layer, "before")
            raise RuntimeError

    opened: list[Outbox] = []
    with pytest.raises(RuntimeError):
        consumer(opened)
    put(memory_layer, "after")
    assert kept(opened[0]) == ["before"]
    assert texts(memory_layer) == ["after"]


def test_operations_on_another_layer_are_not_part_of_the_commit(
    memory_layer: InMemoryChannelLayer,
) -> None:
    other = InMemoryChannelLayer()
    with outbox_of(memory_layer) as outbox:
        put(other, "other")
        put(memory_layer, "own")
        assert texts(other) == ["other"]
    assert kept(outbox) == ["own"]


def test_outboxes_nest(memory_layer: InMemoryChannelLayer) -> None:
    with outbox_of(memory_layer) as outer:
        put(memory_layer, "one")
        with outbox_of(memory_layer) as inner:
            put(memory_layer, "two")
        put(memory_layer, "three")
    assert kept(outer) == ["one", "three"]
    assert kept(inner) == ["two"]


def test_each_thread_has_its_own_outbox(memory_layer: InMemoryChannelLayer) -> None:
    other = threading.Thread(target=put, args=(memory_layer, "other thread"))
    with outbox_of(memory_layer) as outbox:
        other.start()
        other.join(60)
        put(memory_layer, "this thread")
    assert kept(outbox) == ["this thread"]
    assert texts(memory_layer) == ["other thread"]


async def test_tasks_and_threads_of_a_coroutine_share_its_outbox(
    memory_layer: InMemoryChannelLayer,
) -> None:
    async def task() -> None:
        put(memory_layer, "task")

    with outbox_of(memory_layer) as outbox:
        await asyncio.create_task(task())
        await asyncio.to_thread(put, memory_layer, "thread")
    assert kept(outbox) == ["task", "thread"]


async def test_a_left_over_task_sends_immediately(memory_layer: InMemoryChannelLayer) -> None:
    returned = asyncio.Event()

    async def left_over() -> None:
        await returned.wait()
        Channel("background").send({"text": "late"})

    with outbox_of(memory_layer) as outbox:
        task = asyncio.create_task(left_over())
    returned.set()
    await task
    assert outbox.operations == []
    assert texts(memory_layer) == ["late"]


@pytest.mark.parametrize("limits", [{"OUTBOX_OPERATIONS": 2}, {"OUTBOX_BYTES": 30}])
def test_its_size_is_bounded(
    limits: dict[str, int], memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = limits
    with outbox_of(memory_layer) as outbox:
        put(memory_layer, "one")
        put(memory_layer, "two")
        with pytest.raises(OutboxFull, match="this would be number 3"):
            put(memory_layer, "three")
    assert kept(outbox) == ["one", "two"]


def test_the_answer_to_a_request_is_bounded(
    memory_layer: InMemoryChannelLayer, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"ANSWER_BYTES_WAITING": 2000}
    part = {"content": bytes(400), "more_content": True}
    delivery = Delivery(REQUEST, "token", "consumer", "id", b"", "server!safe.1")
    with Outbox(memory_layer, delivery) as outbox:
        for _ in range(2):
            carry_out(memory_layer, memory_layer.make_send("server!safe.1", part))
            carry_out(memory_layer, memory_layer.make_send("server!safe.2", part))  # of another
        with pytest.raises(OutboxFull, match=r"ANSWER_BYTES_WAITING.*AsgiHandler.send_response"):
            carry_out(memory_layer, memory_layer.make_send("server!safe.1", part))
        carry_out(memory_layer, memory_layer.make_send("server!safe.2", part))
    assert len(outbox.operations) == 5
