"""Describes an application of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis.strategies import SearchStrategy

from labs.genuine.comparison.steps import Conversation


@dataclass(frozen=True)
class Application:
    """One routing of a package in ``labs/genuine/applications``, and what to talk to it about.

    *shows* says what it is there for. *tables* are those of the database that are compared;
    their times are replaced by a word. Steps of clients that have no open socket (a frame of
    one that was refused, a second connect) are passed over, so that random conversations need
    not be careful.
    """

    name: str
    package: str
    routing: str
    recorded: Mapping[str, Conversation]
    random: SearchStrategy[Conversation]
    shows: str = ""
    tables: tuple[str, ...] = ()
    urls: str | None = None
    #: More settings of Django, the same for both engines.
    settings: Mapping[str, object] = field(default_factory=dict)
