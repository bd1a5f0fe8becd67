import asyncio
import threading
from collections.abc import Callable
from functools import wraps
from types import NoneType
from typing import Any

import pytest

from channels_workers.decorators import ConsumerDecorator, never
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message


class Log:
    """Records events and their threads."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.threads: set[int] = set()

    def note(self, *step: Any) -> None:
        self.steps.append(step)
        self.threads.add(threading.get_ident())

    def decorator(self, **options: Any) -> ConsumerDecorator:
        return ConsumerDecorator(
            "note",
            lambda message: self.note("prepare"),
            lambda message, error: self.note("finish", type(error)),
            **options,
        )


@pytest.fixture
def message(memory_layer: InMemoryChannelLayer) -> Message:
    return Message({}, "a.channel", memory_layer)


def test_it_runs_before_and_after_the_consumer(message: Message) -> None:
    log = Log()

    @log.decorator()
    def consumer(message: Message, **kwargs: Any) -> str:
        log.note("run", kwargs)
        return "result"

    assert consumer(message, room="tea") == "result"
    assert log.steps == [("prepare",), ("run", {"room": "tea"}), ("finish", NoneType)]
    assert consumer.__name__ == "consumer"


def test_it_learns_of_an_exception_of_the_consumer(message: Message) -> None:
    log = Log()

    @log.decorator()
    def consumer(message: Message) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        consumer(message)
    assert log.steps == [("prepare",), ("finish", SystemExit)]


def test_nothing_runs_if_preparing_the_message_fails(message: Message) -> None:
    def refuse(message: Message) -> None:
        raise ValueError("not this one")

    def fail(*args: Any) -> None:
        pytest.fail("This must not run.")

    with pytest.raises(ValueError, match="not this one"):
        ConsumerDecorator("refuse", refuse, fail)(fail)(message)


def test_methods_take_the_message_as_second_argument(message: Message) -> None:
    log = Log()

    class Room:
        @log.decorator()
        def say(self, message: Message) -> str:
            return message.channel.name

    assert Room().say(message) == "a.channel"


@pytest.mark.parametrize("arguments", [(), ("text",), (1, 2, 3)])
def test_a_missing_message_is_reported(arguments: tuple[Any, ...]) -> None:
    consumer = Log().decorator()(lambda *args: None)
    with pytest.raises(ValueError, match="^note called without Message instance$"):
        consumer(*arguments)


@pytest.mark.parametrize("fails", [False, True])
async def test_the_steps_around_a_coroutine_run_in_another_thread(
    message: Message, fails: bool
) -> None:
    log, here = Log(), threading.get_ident()

    @log.decorator()
    async def consumer(message: Message) -> None:
        await asyncio.sleep(0)
        assert threading.get_ident() == here
        assert log.steps == [("prepare",)]
        if fails:
            raise LookupError

    if fails:
        with pytest.raises(LookupError):
            await consumer(message)
    else:
        await consumer(message)
    assert log.steps == [("prepare",), ("finish", LookupError if fails else NoneType)]
    assert here not in log.threads


class Awaited:
    """A consumer with an async `__call__`."""

    def __init__(self, act: Callable[[Message], Any]) -> None:
        self.act = act

    async def __call__(self, message: Message) -> Any:
        await asyncio.sleep(0)
        return self.act(message)


def wrapped(act: Callable[[Message], Any]) -> Callable[[Message], Any]:
    """A `def` around an `async def`, like a user's decorator."""
    consumer = Awaited(act).__call__

    @wraps(consumer)
    def inner(message: Message) -> Any:
        return consumer(message)

    return inner


@pytest.mark.parametrize("kind", [Awaited, wrapped])
async def test_a_returned_coroutine_is_finished_after_it_has_run(
    kind: Callable[..., Any], message: Message
) -> None:
    log, here = Log(), threading.get_ident()

    def run(message: Message) -> str:
        assert log.steps == [("prepare",)]
        log.threads.clear()
        return "result"

    assert await log.decorator()(kind(run))(message) == "result"
    assert log.steps == [("prepare",), ("finish", NoneType)]
    assert here not in log.threads


@pytest.mark.parametrize("kind", [Awaited, wrapped])
async def test_exceptions_of_a_returned_coroutine_are_reported(
    kind: Callable[..., Any], message: Message
) -> None:
    def fail(message: Message) -> None:
        raise LookupError

    log = Log()
    with pytest.raises(LookupError):
        await log.decorator()(kind(fail))(message)
    assert log.steps == [("prepare",), ("finish", LookupError)]


async def test_non_blocking_steps_stay_in_the_event_loops_thread(message: Message) -> None:
    log = Log()

    @log.decorator(blocks=never)
    async def consumer(message: Message) -> str:
        return "result"

    assert await consumer(message) == "result"
    assert log.threads == {threading.get_ident()}


async def test_the_second_step_is_optional(message: Message) -> None:
    steps: list[str] = []
    decorator = ConsumerDecorator("note", lambda message: steps.append("prepare"))

    @decorator
    def consumer(message: Message) -> str:
        return "def"

    @decorator
    async def async_consumer(message: Message) -> str:
        return "async def"

    assert (consumer(message), await async_consumer(message)) == ("def", "async def")
    assert steps == ["prepare", "prepare"]
