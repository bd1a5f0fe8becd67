"""All applications that there are conversations for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from labs.genuine.comparison import conversations
from labs.genuine.comparison.application import Application

#: Not about one application.
SHARED = {"parts"}


def applications() -> Iterator[Application]:
    """Go through the APPLICATIONS of each module in ``conversations``, in alphabetical order."""
    names = sorted(module.name for module in pkgutil.iter_modules(conversations.__path__))
    for name in names:
        if name not in SHARED:
            module = importlib.import_module(f"{conversations.__name__}.{name}")
            yield from module.APPLICATIONS
