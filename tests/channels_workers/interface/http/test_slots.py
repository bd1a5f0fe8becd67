"""Slots inside Django, without a server."""

import asyncio
import logging

import pytest
from django.http import HttpRequest
from pytest_django import Settings

from channels_workers.interface.http.slots import KEY, NoPlace, Place, Places, leave_place


async def never() -> None:
    """A client that stays."""
    await asyncio.Event().wait()


async def take(places: Places) -> Place:
    place = await places.take(never)
    assert place is not None
    return place


async def turns() -> None:
    """Run all tasks as far as they get."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_waiting_requests_get_slots_in_order(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 1}
    places = Places()
    first = await take(places)
    second, third = (asyncio.create_task(take(places)) for _ in range(2))
    await turns()
    assert (places.taken, places.waiting) == (1, 2)
    first.leave()
    first.leave()  # does nothing
    await turns()
    assert second.done()
    assert not third.done()
    (await second).leave()
    (await third).leave()
    assert (places.taken, places.waiting) == (0, 0)


async def test_nobody_overtakes_the_queue(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 1}
    places = Places()
    first = await take(places)
    waiting = asyncio.create_task(take(places))
    await turns()
    first.leave()
    late = asyncio.create_task(take(places))
    await turns()
    assert waiting.done()
    assert not late.done()
    (await waiting).leave()
    (await late).leave()


async def test_zero_means_unlimited(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 0}
    places = Places()
    taken = [await take(places) for _ in range(100)]
    assert places.taken == len(taken)


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_a_client_that_leaves_leaves_the_queue(
    is_cancelled: bool, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 1}
    places = Places()
    first = await take(places)
    gone = asyncio.Event()

    async def leave() -> None:
        await gone.wait()

    waiting = asyncio.create_task(places.take(leave))
    await turns()
    if is_cancelled:
        waiting.cancel()
    gone.set()
    await turns()
    assert waiting.cancelled() if is_cancelled else waiting.result() is None
    assert places.waiting == 0
    first.leave()
    assert places.taken == 0


async def test_a_client_that_leaves_at_its_turn_passes_the_slot_on(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 1}
    places = Places()
    first = await take(places)
    gone = asyncio.Event()

    async def leave() -> None:
        await gone.wait()

    leaving = asyncio.create_task(places.take(leave))
    waiting = asyncio.create_task(take(places))
    await turns()
    gone.set()
    await asyncio.sleep(0)
    first.leave()  # at the same moment
    assert await leaving is None
    (await waiting).leave()
    assert places.taken == 0


async def test_a_full_queue_and_a_long_wait_are_refused_and_logged_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"REQUESTS_AT_ONCE": 1, "REQUESTS_WAITING": 1, "REQUEST_WAIT_TIMEOUT": 0.01}
    settings.CHANNEL_WORKERS = limits
    places = Places()
    place = await take(places)
    waiting = asyncio.create_task(take(places))
    await turns()
    with caplog.at_level(logging.WARNING):
        with pytest.raises(NoPlace):
            await take(places)
        with pytest.raises(NoPlace):
            await waiting
    assert [record.event for record in caplog.records] == ["pages_full"]  # type: ignore[attr-defined]
    place.leave()
    assert (places.taken, places.waiting) == (0, 0)


async def test_streams_have_their_own_slots(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 1, "STREAMS_AT_ONCE": 1}
    places = Places()
    first = await take(places)
    first.stream()
    first.stream()  # does nothing
    second = await take(places)
    second.stream()  # not more than one
    assert (places.taken, places.streams) == (1, 1)
    first.leave()
    second.stream()
    assert (places.taken, places.streams) == (0, 1)
    second.leave()
    assert (places.taken, places.streams) == (0, 0)
    second.stream()
    assert places.streams == 0


async def test_a_view_may_free_its_slot_from_its_thread(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"REQUESTS_AT_ONCE": 1}
    places = Places()
    request = HttpRequest()
    leave_place(request)  # which belongs to no interface server
    request.scope = {KEY: await take(places)}  # type: ignore[attr-defined]
    waiting = asyncio.create_task(take(places))
    await asyncio.to_thread(leave_place, request)
    (await waiting).leave()
    assert (places.taken, places.streams) == (0, 1)
