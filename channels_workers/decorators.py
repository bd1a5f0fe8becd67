"""The base of the decorators for consumers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from inspect import iscoroutine, iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async

from channels_workers.message import Consumer, Message

__all__ = ["ConsumerDecorator", "Finish", "always", "never"]

Finish = Callable[[Message, BaseException | None], None]

#: The attribute of a consumer with the names of its decorators.
DECORATED_BY = "decorated_by"


def always(message: Message) -> bool:
    """Return True: a step may block."""
    return True


def decorators_of(consumer: Any) -> tuple[str, ...]:
    """Return the names of the :class:`ConsumerDecorator` around *consumer*, the outermost first."""
    names: tuple[str, ...] = getattr(consumer, DECORATED_BY, ())
    return names


def never(message: Message) -> bool:
    """Return False: no step blocks."""
    return False


class ConsumerDecorator:
    """A decorator that runs *prepare* before the consumer, and *finish* after it.

    *prepare* gets the message. If it raises, neither the consumer nor *finish* runs. *finish* gets
    the message and the error of the consumer, or None. The decorator takes functions and methods
    (``self, message``), ``def`` and ``async def``. If a ``def`` returns a coroutine, *finish* runs
    after the coroutine. Both steps may block, on the database for example: for an ``async def``
    consumer they run in a thread, unless *blocks* returns False. Below it there must be no
    ``@once``, or else ``TypeError``.
    """

    def __init__(
        self,
        name: str,
        prepare: Callable[[Message], None],
        finish: Finish | None = None,
        blocks: Callable[[Message], bool] = always,
    ) -> None:
        self.name = name
        self.prepare = prepare
        self.finish = finish
        self.blocks = blocks

    def __call__(self, func: Consumer) -> Consumer:
        """Return *func*, decorated."""
        if getattr(func, "is_once", False):
            raise TypeError(f"Write @once above @{self.name}, which must run in its transaction.")
        made = self._async(func) if iscoroutinefunction(func) else self._sync(func)
        setattr(made, DECORATED_BY, (self.name, *decorators_of(func)))
        return made

    def message_of(self, args: tuple[Any, ...]) -> Message:
        """Return the message of a method, which is after ``self``; ValueError without one."""
        if len(args) > 1 and isinstance(args[1], Message):
            return args[1]
        raise ValueError(f"{self.name} called without Message instance")

    def _sync(self, func: Consumer) -> Consumer:
        @functools.wraps(func)
        def inner(*args: Any, **kwargs: Any) -> Any:
            message = args[0] if args and isinstance(args[0], Message) else self.message_of(args)
            self.prepare(message)
            try:
                result = func(*args, **kwargs)
            except BaseException as error:
                self._finish(message, error)
                raise
            if iscoroutine(result):
                return self._finish_after(result, message)
            if self.finish is not None:
                self.finish(message, None)
            return result

        return inner

    def _async(self, func: Consumer) -> Consumer:
        @functools.wraps(func)
        async def inner(*args: Any, **kwargs: Any) -> Any:
            message = args[0] if args and isinstance(args[0], Message) else self.message_of(args)
            await self._call(self.prepare, message)
            return await self._finish_after(func(*args, **kwargs), message)

        return inner

    async def _finish_after(self, coroutine: Coroutine[Any, Any, Any], message: Message) -> Any:
        try:
            result = await coroutine
        except BaseException as error:
            await self._call(self._finish, message, error)
            raise
        await self._call(self._finish, message, None)
        return result

    def _finish(self, message: Message, error: BaseException | None) -> None:
        if self.finish is not None:
            self.finish(message, error)

    async def _call(self, step: Callable[..., None], message: Message, *args: Any) -> None:
        if self.blocks(message):
            await sync_to_async(step)(message, *args)
        else:
            step(message, *args)
