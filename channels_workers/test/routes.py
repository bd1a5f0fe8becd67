"""Routes for the time of a test. The API is that of Channels 1.1.8."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from django.test import override_settings

from channels_workers.registry import DEFAULT_CHANNEL_LAYER
from channels_workers.routing import include
from channels_workers.test.layers import check_aliases

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class apply_routes:  # noqa: N801  (the name of 1.1.8)
    """Replaces the routing, as a context manager or a decorator of functions and test cases.

    *routes* is a route, a list of routes, or a list of such lists. There is one routing for all
    layers. *aliases* must be in ``CHANNEL_LAYERS``, and have no other meaning. Raises
    :class:`~django.core.exceptions.ImproperlyConfigured` for an unknown alias, and ``TypeError``
    for a class that is no ``unittest.TestCase``.
    """

    def __init__(self, routes: Any, aliases: Iterable[str] = (DEFAULT_CHANNEL_LAYER,)) -> None:
        self.routes = routes
        self.aliases = tuple(aliases)
        self._applied: list[override_settings] = []

    def enter(self) -> None:
        """Replace the routing."""
        check_aliases(self.aliases)
        entries = self.routes if isinstance(self.routes, list | tuple) else [self.routes]
        routing = [item if hasattr(item, "match_values") else include(item) for item in entries]
        applied = override_settings(CHANNEL_ROUTING=routing)
        applied.enable()
        self._applied.append(applied)

    def exit(self, exc_type: Any = None, exc_val: Any = None, exc_tb: Any = None) -> None:
        """Put the former routing back."""
        self._applied.pop().disable()

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *exception: object) -> None:
        self.exit()

    def __call__(self, decorated: Decorated) -> Decorated:
        """Return *decorated*, a function or a subclass of TestCase, with these routes."""
        if not isinstance(decorated, type):
            return cast("Decorated", self._around_function(decorated))
        if not issubclass(decorated, unittest.TestCase):
            raise TypeError(f"apply_routes decorates functions and test cases, not {decorated!r}.")
        for name in ("run", "debug"):  # as in ChannelTestCaseMixin
            setattr(decorated, name, self._around_method(decorated, name))
        return decorated

    def _around_method(self, cls: type, name: str) -> Callable[..., Any]:
        own = vars(cls).get(name)

        def method(test: Any, *args: Any) -> Any:
            with self:
                inherited = getattr(super(cls, test), name)
                return own(test, *args) if own else inherited(*args)

        return method

    def _around_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def async_inner(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        @wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return async_inner if iscoroutinefunction(function) else inner
