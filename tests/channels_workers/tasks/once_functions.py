"""Functions with `@once` that tests make tasks of."""

import asyncio
from typing import Any

from asgiref.sync import sync_to_async

from channels_workers import Channel, Group
from channels_workers.once import once
from channels_workers.once.decorator import databases
from channels_workers.tasks import retry
from tests.channels_workers.once.conftest import OUT, write

before = set(databases)


def nothing() -> None:
    """Do nothing."""


#: What the next tasks do after they have written and sent.
act: Any = nothing


@once
def record(text: str) -> Any:
    write(text)
    Group("room").send({"text": text})
    return act()


@once
async def arecord(text: str) -> Any:

    await sync_to_async(write)(text)
    await Group("room").asend({"text": text})
    await asyncio.sleep(0)
    return await sync_to_async(act)()


#: Is set when the next task waits.
waits: Any = None


@once
async def write_and_wait(text: str) -> None:
    await sync_to_async(write)(text)
    waits.set()
    await asyncio.sleep(3600)


@retry(1, pause=10, on=ValueError)
@once
def record_again(text: str) -> Any:
    write(text)
    Group("room").send({"text": text})
    return act()


@once(using="other")
def elsewhere() -> None:
    raise AssertionError


@once
def part(text: str) -> None:
    write(text)


@once
def record_in_parts(text: str) -> str:
    part(f"{text} 1")
    part(f"{text} 2")
    return act() or text


#: What tasks of the chaos test do, given their ids.
chaos: Any = None


@retry(2, pause=10, on=ValueError)
@once
def chaotic(context: Any) -> str:
    task_id = context.task_result.id
    write(f"{task_id} {context.attempt}")
    chaos(task_id)
    Channel(OUT).send({"task": task_id})
    return "acted"


databases.intersection_update(before)  # the system checks of other tests do not look there
