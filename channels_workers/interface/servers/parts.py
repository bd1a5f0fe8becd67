"""Feature tests of server programs: which of the parts that they do not promise are there.

The modules beside this one use private parts of Daphne, Twisted, autobahn and uvicorn. Each use has
a test before it and a public way behind it: a release that lacks a part costs speed or a limit, and
sockets go on to work. The log says which, once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

logger = logging.getLogger(__name__)

#: What the log has said already.
_reported: set[str] = set()


def missing(owner: object, names: Iterable[str]) -> list[str]:
    """Return those of *names* that *owner*, an object of another package, does not have."""
    return [name for name in names if not hasattr(owner, name)]


def report(text: str, *args: object, extra: dict[str, str | int]) -> None:
    """Log *text* at WARNING, once for each process and first argument."""
    key = f"{text} {args[:1]}"
    if key not in _reported:
        _reported.add(key)
        logger.warning(text, *args, extra=extra)


def forget() -> None:
    """Report everything again, for tests."""
    _reported.clear()


def is_method_of(owner: object, function: object) -> bool:
    """Say whether *function* is a method of *owner* itself, with nothing around it."""
    return owner is not None and getattr(function, "__self__", None) is owner
