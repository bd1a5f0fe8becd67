"""Private parts of Django: they are there, and the engine does without them."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from django.core import mail
from django.db import connection, transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.test import utils as test_utils

from channels_workers.django_parts import (
    BLOCKS,
    TEST_STATE,
    TEST_UTILS,
    close_iterator,
    is_in_tests,
    note_handler,
    open_blocks,
)


async def parts() -> AsyncIterator[bytes]:
    try:
        yield b"first"
        yield b"last"
    finally:
        closed.append(True)


closed: list[bool] = []


def test_the_generator_behind_a_stream_is_closed() -> None:
    async def leave() -> list[bool]:
        closed.clear()
        response = StreamingHttpResponse(parts())
        async for part in response:
            assert part == b"first"
            break
        await close_iterator(response)
        return closed[:]

    assert asyncio.run(leave()) == [True]


def test_a_stream_of_another_django_is_left_to_the_event_loop() -> None:
    async def leave() -> None:
        closed.clear()
        response = StreamingHttpResponse(parts())
        async for _ in response:
            break
        response.__dict__.pop("_iterator")
        await close_iterator(response)

    asyncio.run(leave())
    assert closed == [True]  # the loop closes it at its end at the latest


def test_responses_without_an_iterator_need_nothing() -> None:
    asyncio.run(close_iterator(HttpResponse("page")))


def test_the_end_of_a_request_names_its_handler() -> None:
    response = HttpResponse("page")
    note_handler(response, str)
    assert response._handler_class is str  # type: ignore[attr-defined]


def test_open_blocks_are_those_of_the_transaction(db: None) -> None:
    assert all(isinstance(getattr(connection, name), list) for name in BLOCKS)
    before = [len(blocks) for blocks in open_blocks(connection)]
    with transaction.atomic():
        assert [len(blocks) for blocks in open_blocks(connection)] > before


def test_a_connection_of_another_django_has_no_open_blocks() -> None:
    class Other:
        """Has none of the lists."""

    assert open_blocks(Other()) == [[], []]  # type: ignore[arg-type]


def test_a_process_that_runs_tests_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_in_tests()
    with monkeypatch.context() as patch:
        patch.delattr(getattr(test_utils, TEST_STATE), "saved_data")
        assert not is_in_tests()
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, TEST_UTILS)
        assert not is_in_tests()


def test_in_another_django_collected_mail_stands_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(test_utils, TEST_STATE)
    assert is_in_tests()
    monkeypatch.delattr(mail, "outbox")
    assert not is_in_tests()
