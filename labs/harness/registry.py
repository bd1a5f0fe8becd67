"""Named entries, and their selection by name: ``--only`` and ``--list``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol, TypeVar


class Named(Protocol):
    """An entry of a registry."""

    @property
    def name(self) -> str:
        """Its name for ``--only``."""
        ...


class Described(Named, Protocol):
    """An entry with a description for ``--list``."""

    @property
    def description(self) -> str:
        """One line."""
        ...


T = TypeVar("T", bound=Named)


def require_known(wanted: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raise ValueError for a name that is not *known*. The message lists all *known* names."""
    there = list(known)
    if unknown := sorted(set(wanted) - set(there)):
        listed = ("; " if any("," in name for name in there) else ", ").join(there)
        raise ValueError(f"Expected {what}, got {unknown[0]!r}; there are: {listed}.")


def choose(known: Sequence[T], wanted: Collection[str], what: str) -> list[T]:
    """The *wanted* entries in the order of *known*, or all entries without names.

    ValueError for an unknown name.
    """
    require_known(wanted, [one.name for one in known], what)
    return [one for one in known if not wanted or one.name in wanted]


def listing(known: Sequence[Described]) -> str:
    """One line for each entry: name and description."""
    width = max((len(one.name) for one in known), default=0)
    return "\n".join(f"{one.name:<{width}}  {one.description}" for one in known)
