"""Things that have a name, and the choice among them: what ``--only`` and ``--list`` are about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar


class Named(Protocol):
    """What stands in a registry."""

    @property
    def name(self) -> str:
        """The name by which it is chosen."""
        ...


class Described(Named, Protocol):
    """What a list explains."""

    @property
    def description(self) -> str:
        """What it is, in a line."""
        ...


T = TypeVar("T", bound=Named)


def require_known(wanted: Iterable[str], known: Iterable[str], what: str) -> None:
    """ValueError with all *known* names unless each of the *wanted* ones is among them."""
    there = list(known)
    if unknown := sorted(set(wanted) - set(there)):
        listed = ("; " if any("," in name for name in there) else ", ").join(there)
        raise ValueError(f"Expected {what}, got {unknown[0]!r}; there are: {listed}.")


def choose(known: Sequence[T], wanted: Collection[str], what: str) -> list[T]:
    """Those that are *wanted*, in the order of *known*; all of them if no name is given.

    ValueError with all names if one is not known.
    """
    require_known(wanted, [one.name for one in known], what)
    return [one for one in known if not wanted or one.name in wanted]


def listing(known: Sequence[Described]) -> str:
    """A line for each: its name, and what it is."""
    width = max((len(one.name) for one in known), default=0)
    return "\n".join(f"{one.name:<{width}}  {one.description}" for one in known)
