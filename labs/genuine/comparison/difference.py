"""A deliberate difference, and its demonstration on both engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.engine import GENUINE, OURS, Engine
from labs.genuine.comparison.site import Site
from labs.genuine.comparison.stage import Stage


class Seen(NamedTuple):
    """What an engine did, in the expected words, and the numbers of this run."""

    what: str
    numbers: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.numbers})" if self.numbers else self.what


@dataclass(frozen=True)
class OnPurpose:
    """A difference, its reason, and what *observe* should see on each engine.

    *observe* gets a site with a Redis and a database, and starts the processes that it needs.
    """

    name: str
    reason: str
    genuine: str
    ours: str
    application: Application
    observe: Callable[[Site], Seen]
    #: The CONFIG of both layers.
    layer: Mapping[str, object] = field(default_factory=dict)

    def expected(self, engine: Engine) -> str:
        """Return the expected behaviour of *engine*."""
        return self.ours if engine is OURS else self.genuine


@dataclass(frozen=True)
class Demonstrated:
    """Expected and observed behaviour by engine."""

    name: str
    reason: str
    expected: Mapping[str, str]
    seen: Mapping[str, str]
    is_as_expected: bool


def demonstrate(difference: OnPurpose, stage: Stage) -> Demonstrated:
    """Demonstrate *difference* on both engines at once."""
    engines = (GENUINE, OURS)
    with ThreadPoolExecutor(len(engines)) as pool:
        seen = list(pool.map(lambda engine: _observe(difference, stage, engine), engines))
    return Demonstrated(
        name=difference.name,
        reason=difference.reason,
        expected={engine.name: difference.expected(engine) for engine in engines},
        seen={engine.name: str(what) for engine, what in zip(engines, seen, strict=True)},
        is_as_expected=all(
            what.what == difference.expected(engine)
            for engine, what in zip(engines, seen, strict=True)
        ),
    )


def _observe(difference: OnPurpose, stage: Stage, engine: Engine) -> Seen:
    try:
        with stage.site(difference.application, engine, difference.layer) as site:
            return difference.observe(site)
    except Exception as error:  # noqa: BLE001  (it is what was seen)
        return Seen(f"failed: {type(error).__name__}: {error}")
