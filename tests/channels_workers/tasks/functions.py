"""Functions that tests make tasks of. A task must be defined at module level."""

import asyncio
import time
from typing import Any

from asgiref.sync import sync_to_async
from django.db import OperationalError, transaction

from channels_workers import ConsumeLater, Group
from channels_workers.tasks import retry
from channels_workers.tasks.api import task_backends

#: What tasks have done, in order. Tests clear it.
done: list[Any] = []


def task(function: Any, **given: Any) -> Any:
    """Do what Django's decorator does, for the backend of the running test."""
    chosen = {"queue_name": "default", "backend": "default", "priority": 0, "run_after": None}
    make: Any = task_backends[given.get("backend", "default")].task_class
    return make(func=function, **chosen | given)


def add(first: int, second: int = 0) -> int:
    done.append(first)
    return first + second


@task
def decorated() -> str:
    return "decorated"


async def aadd(first: int, second: int = 0) -> int:
    await asyncio.sleep(0)
    done.append(first)
    return first + second


def state(context: Any, text: str) -> dict[str, Any]:
    result = context.task_result
    return {"attempt": context.attempt, "id": result.id, "status": result.status, "text": text}


def tell(text: str) -> None:
    done.append(text)
    Group("room").send({"text": text})


def fail(text: str) -> None:
    done.append(text)
    Group("room").send({"text": text})
    raise ValueError(text)


def raise_odd_text() -> None:
    raise ValueError("a\0b\ud800c")


def leave_a_transaction(error: str) -> None:
    transaction.atomic().__enter__()
    if error:
        raise ValueError(error)


async def aleave_a_transaction(error: str) -> None:
    await sync_to_async(leave_a_transaction)(error)


async def afail(text: str) -> None:
    done.append(text)
    raise ValueError(text)


@retry(2, pause=10, on=ValueError)
def fail_thrice(text: str) -> None:
    fail(text)


@retry(5, pause=10, on=KeyError)
def fail_otherwise(text: str) -> None:
    fail(text)


def leave() -> None:
    raise SystemExit("over")


def later() -> None:
    done.append("later")
    raise ConsumeLater


def lose_database() -> None:
    done.append("lost")
    raise OperationalError("the server closed the connection")


def unstorable() -> object:
    return object()


async def wait() -> None:
    done.append("waits")
    await asyncio.sleep(3600)


async def cancel_itself() -> None:
    raise asyncio.CancelledError


#: What the next tasks do, given their ids.
act: Any = None


@retry(2, pause=10)
def acted(context: Any) -> str:
    act(context.task_result.id)
    return "acted"


def clock() -> float:
    return time.time()


#: The task of schedules. Tests make it for their settings.
scheduled_add: Any = None
