"""The loads of the tables, by name."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from labs.benchmarks.load.flood import Flood
from labs.benchmarks.load.opening import Opening
from labs.benchmarks.load.paced import Paced
from labs.benchmarks.load.pages import Pages
from labs.benchmarks.load.talk import Talk

AnyMode = Talk | Paced | Flood | Opening | Pages

MODES: dict[str, AnyMode] = {
    "rtt1": Talk(clients=1, rooms=1),
    "rtt50": Talk(clients=50, rooms=50),
    "bc100": Talk(clients=100, rooms=1),
    "bc1000": Talk(clients=1000, rooms=1),
    "paced": Paced(),
    "connect": Opening(),
    "flood": Flood(),
    "get1": Pages(clients=1, pause=0.02),
    "get50": Pages(clients=50),
}


def adapt(mode: AnyMode, **options: float | None) -> AnyMode:
    """Return *mode* with other *options*. None keeps the default.

    ValueError for an unknown option.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    known = {field.name for field in fields(mode)}
    if unknown := sorted(set(given) - known):
        raise ValueError(
            f"{type(mode).__name__} has no {unknown[0]!r}; it takes {', '.join(sorted(known))}."
        )
    return replace(mode, **given)
