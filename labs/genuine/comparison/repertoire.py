"""All applications with conversations."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from labs.genuine.comparison import conversations
from labs.genuine.comparison.application import Application

#: Modules without an application.
SHARED = {"parts"}


def applications() -> Iterator[Application]:
    """Yield the APPLICATIONS of each module in ``conversations``, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(conversations.__path__))
    for name in names:
        if name not in SHARED:
            module = importlib.import_module(f"{conversations.__name__}.{name}")
            yield from module.APPLICATIONS
