"""The decorator ``@once``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from inspect import isclass, iscoroutine, iscoroutinefunction
from typing import Any, Protocol, overload

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, transaction

from channels_workers.exceptions import OnceRefused
from channels_workers.logs import name_of
from channels_workers.message import Consumer
from channels_workers.once.database_thread import Care, close_old, database_thread
from channels_workers.once.run import Run
from channels_workers.outbox import running

#: The databases that consumers with @once of this process use, for the system checks.
databases: set[str] = set()

#: The attribute of a decorated function with its database.
USING = "once_using"

#: The call that this context is a part of. Tasks that began before it are not.
_within: ContextVar[object] = ContextVar("channels_workers_once", default=None)


class _Run(Protocol):
    def begin(self) -> bool:
        """Begin; return whether the consumer is to run."""

    def end(self, error: BaseException | None = None) -> None:
        """End after the consumer has returned or raised *error*; raise that error."""


class _Bare:
    """A call outside a worker: a transaction, without a row, as there is no message."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._atomic = transaction.atomic(using)
        self._rolls_back = False
        self.is_open = False

    def begin(self) -> bool:
        self._atomic.__enter__()
        self.is_open = True
        return True

    def roll_back(self) -> None:
        self._rolls_back = True

    def end(self, error: BaseException | None = None) -> None:
        self.is_open = False
        if self._rolls_back:
            transaction.set_rollback(True, self._using)
        if error is None:
            self._atomic.__exit__(None, None, None)
            return
        self._atomic.__exit__(type(error), error, error.__traceback__)
        raise error


class _Nested:
    """A call in the transaction of another one with @once, which it is a part of."""

    def begin(self) -> bool:
        return True

    def end(self, error: BaseException | None = None) -> None:
        if error is not None:
            raise error


def _new_run(using: str, consumer: str) -> _Run:
    outbox = running()
    if outbox is None:
        bare = _Bare(using)
        _within.set(bare)
        return bare
    if outbox.once_run is not None and outbox.once_run is not _within.get():
        raise OnceRefused(
            f"{consumer} has @once and runs beside another call with @once in the same consumer, "
            "as in asyncio.gather(). Await one after the other, or decorate the consumer."
        )
    if outbox.transaction is None:
        run = outbox.once_run = Run(outbox, using, consumer)
        _within.set(run)
        return run
    if outbox.transaction.using == using:
        return _Nested()
    raise OnceRefused(
        f"{consumer} has @once(using={using!r}) and is called in a consumer with "
        f"@once(using={outbox.transaction.using!r}), but no transaction spans two databases. Give "
        "the second database a message of its own: send to a channel whose consumer writes there."
    )


def roll_back() -> None:
    """Let the transaction of the running consumer with ``@once`` roll back when it returns.

    What it sends, and its channel session, go out all the same. Call it when the answer is a
    refusal: the first run of a message then stores no row, so that clients cannot fill the table
    with what is refused. Raises :class:`~channels_workers.exceptions.OnceRefused` elsewhere.
    """
    run = _within.get()
    if not isinstance(run, Run | _Bare) or not run.is_open:
        raise OnceRefused("roll_back() works in a consumer with @once, while that runs.")
    run.roll_back()


def _release(run: _Run) -> None:
    """Let the next call with @once begin."""
    outbox = running()
    if outbox is not None and outbox.once_run is run:
        outbox.once_run = None


@overload
def once(func: Consumer) -> Consumer: ...


@overload
def once(*, using: str = ...) -> Callable[[Consumer], Consumer]: ...


def once(
    func: Consumer | None = None, *, using: str = DEFAULT_DB_ALIAS
) -> Consumer | Callable[[Consumer], Consumer]:
    """Let what the consumer does in a database and in the layer happen exactly once.

    The consumer runs in a transaction of the database *using*. The same transaction stores a row
    with the id of the message, and with what the consumer sent and saved in its channel session.
    That goes out when the transaction is committed. If the message runs again, as after the death
    of a worker, the row is found: the consumer does not run, and what it sent goes out if it has
    not.

    Write it with or without brackets, above all other decorators of the consumer, for ``def`` and
    ``async def``. A class-based consumer has ``once = True``, or ``once = "alias"``. On a task it
    stands below ``@task``, and the row of the task is the one that is stored. If the
    consumer raises, the transaction rolls back, and what it sent before goes out. After
    :class:`~channels_workers.exceptions.ConsumeLater` and the errors of ``RETRY_ON`` nothing does.

    In the consumer, :class:`~channels_workers.exceptions.OnceRefused` is raised by what cannot wait
    for the transaction, such as ``immediately=True``. A call outside a worker runs in a
    transaction, and stores no row. Raises ``TypeError`` for a class.
    """
    if func is None:
        return functools.partial(_decorated, using=using)
    return _decorated(func, using)


def _decorated(func: Consumer, using: str) -> Consumer:
    if isclass(func) or not callable(func):
        raise TypeError(
            f"@once decorates a function or a method, not {func!r}. A class-based consumer has "
            '`once = True`; another database is @once(using="alias") or `once = "alias"`. Write it '
            "below @task."
        )
    return with_once(func, using, name_of(func))


def with_once(func: Consumer, using: str, name: str) -> Consumer:
    """Return *func*, decorated; *name* is that of the consumer, for logs."""
    databases.add(using)
    inner = _async(func, using, name) if iscoroutinefunction(func) else _sync(func, using, name)
    inner.is_once = True  # type: ignore[attr-defined]
    setattr(inner, USING, using)
    return inner


def database_of(func: object) -> str | None:
    """Return the database of *func*, a function with ``@once``; None without it."""
    return getattr(func, USING, None)


def _sync(func: Consumer, using: str, name: str) -> Consumer:
    @functools.wraps(func)
    def inner(*args: Any, **kwargs: Any) -> Any:
        run = _new_run(using, name)
        try:
            return _run(run, name, func, args, kwargs)
        finally:
            _release(run)

    return inner


def _run(
    run: _Run, name: str, func: Consumer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if not run.begin():
        return None
    try:
        result = func(*args, **kwargs)
        if iscoroutine(result):
            result.close()
            raise TypeError(
                f"{name} has @once and returned a coroutine, which would run after the "
                "transaction. Write it as `async def`."
            )
    except BaseException as error:  # noqa: BLE001  (it is raised again where it must be)
        run.end(error)
        return None
    run.end()
    return result


def _async(func: Consumer, using: str, name: str) -> Consumer:
    @functools.wraps(func)
    async def inner(*args: Any, **kwargs: Any) -> Any:
        run = _new_run(using, name)
        if isinstance(run, _Nested):  # on the thread of the outer one, which cleans it up
            return await func(*args, **kwargs)
        try:
            async with database_thread() as care:
                return await _run_async(run, care, func, args, kwargs)
        finally:
            _release(run)

    return inner


def _begin(run: _Run) -> bool:
    """Begin *run* on a connection that is not too old."""
    close_old()
    return run.begin()


def _end(run: _Run, care: Care, error: BaseException | None = None) -> None:
    """End *run*, and leave its thread, which is one step there."""
    try:
        run.end(error)
    finally:
        care.take()


async def _run_async(
    run: _Run, care: Care, func: Consumer, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if not await _on_thread_begin(run):
        return None
    try:
        result = await func(*args, **kwargs)
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001  (it is raised again where it must be)
        await _on_thread_end(run, care, error)
        return None
    await _on_thread_end(run, care)
    return result


_on_thread_begin, _on_thread_end = sync_to_async(_begin), sync_to_async(_end)
