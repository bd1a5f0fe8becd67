import asyncio
import threading
import types
from collections.abc import AsyncIterator, Generator
from typing import Any

from channels_workers.concurrency.stacks import (
    FRAMES,
    Stack,
    shown_stack,
    stack_of_coroutine,
    stack_of_thread,
    waits_for_client,
)


def names(stack: Stack) -> list[str]:
    return [frame.f_code.co_name for frame, _ in stack]


def test_the_stack_of_a_thread() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        let_go.wait(60)

    thread = threading.Thread(target=wait)
    thread.start()
    assert begun.wait(60)
    ident = thread.ident or 0
    stack = stack_of_thread(ident)
    let_go.set()
    thread.join()
    assert names(stack).index("run") < names(stack).index("wait")
    assert stack_of_thread(ident) == []
    assert shown_stack([]) == ""


@types.coroutine
def generator() -> Generator[Any, Any, None]:
    yield from asyncio.sleep(60).__await__()


async def numbers() -> AsyncIterator[int]:
    await generator()
    yield 1


async def consumer() -> None:
    async for _ in numbers():
        pass


def test_the_stack_of_a_coroutine() -> None:
    async def look() -> Stack:
        coroutine = consumer()
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0)
        stack = stack_of_coroutine(coroutine)
        task.cancel()
        await asyncio.wait([task])
        assert stack_of_coroutine(coroutine) == []
        return stack

    stack = asyncio.run(look())
    assert names(stack)[0] == "consumer"
    assert "async for _ in numbers():" in shown_stack(stack)
    assert not waits_for_client(stack)


def test_a_long_stack_is_cut() -> None:
    def deeper(depth: int) -> str:
        if depth:
            return deeper(depth - 1)
        return shown_stack(stack_of_thread(threading.get_ident()))

    text = deeper(3 * FRAMES)
    assert text.count("  File ") <= FRAMES
    assert text.endswith("list(traceback.walk_stack(frame))") or "stack_of_thread" in text
