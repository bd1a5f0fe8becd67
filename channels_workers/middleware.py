"""Code around each run of a consumer, as Django's middleware is around views."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutine
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from channels_workers.message import Consumer, Message

__all__ = ["Call"]

#: Runs a coroutine to its end and returns its result.
RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(slots=True)
class Call:
    """One run of a consumer, for middleware.

    The *consumer* is called with *message* and *kwargs*, the named groups of its route.
    """

    message: Message
    consumer: Consumer
    kwargs: dict[str, Any]
    #: The dotted name of the consumer, as logs have it.
    name: str
    _run_coroutine: RunCoroutine = field(repr=False)
    _coroutine: Coroutine[Any, Any, Any] | None = field(default=None, repr=False)


Run = Callable[[Call], Any]
Middleware = Callable[[Run], Run]


class _Next:
    """What a middleware calls: the next one inside, or the consumer."""

    target: Run

    def __call__(self, call: Call) -> Any:
        return self.target(call)


class Chain:
    """The middleware with the dotted names *paths*; the first is the outermost.

    ``def`` middleware runs in the worker's thread, around every consumer. ``async def`` middleware
    runs in the event loop, inside of the former, around ``async def`` consumers only.

    Raises :class:`~django.core.exceptions.ImproperlyConfigured` if one cannot be imported or used.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        made = [_made(path) for path in paths]
        self._around_coroutines = _linked(filter(_is_async, made), _await)
        self._around_all = _linked((each for each in made if not _is_async(each)), self._call)

    def around(self, consumer: Consumer, name: str, run_coroutine: RunCoroutine) -> Consumer:
        """Return *consumer*, called *name* in logs, inside the middleware.

        *run_coroutine* runs its coroutine, if it is an ``async def``.
        """

        def run(message: Message, **kwargs: Any) -> Any:
            return self._around_all(Call(message, consumer, kwargs, name, run_coroutine))

        return run

    def _call(self, call: Call) -> Any:
        result = call.consumer(call.message, **call.kwargs)
        if not iscoroutine(result):
            return result
        call._coroutine = result
        try:
            return call._run_coroutine(self._around_coroutines(call))
        finally:
            result.close()  # as middleware may skip the consumer


async def _await(call: Call) -> Any:
    if call._coroutine is None:
        raise RuntimeError(f"Middleware ran {call.name} twice. Call its argument once.")
    coroutine, call._coroutine = call._coroutine, None
    return await coroutine


def _is_async(made: tuple[Run, _Next]) -> bool:
    run = made[0]
    return iscoroutinefunction(run) or iscoroutinefunction(getattr(run, "__call__", None))  # noqa: B004


def _made(path: str) -> tuple[Run, _Next]:
    try:
        middleware = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"CHANNEL_WORKERS['MIDDLEWARE'] names {path!r}, which cannot be imported: {error}"
        ) from error
    inside = _Next()
    run = middleware(inside)
    if not callable(run):
        raise ImproperlyConfigured(
            f"{path} of CHANNEL_WORKERS['MIDDLEWARE'] must return a function that runs a call, "
            f"not {run!r}."
        )
    return run, inside


def _linked(made: Iterable[tuple[Run, _Next]], innermost: Run) -> Run:
    """Return the outermost of *made*; each calls the one after it, the last *innermost*."""
    run = innermost
    for each, inside in reversed(list(made)):
        inside.target = run
        run = each
    return run
