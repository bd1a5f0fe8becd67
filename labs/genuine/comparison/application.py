"""Describes an application of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis.strategies import SearchStrategy

from labs.genuine.comparison.steps import Conversation


@dataclass(frozen=True)
class Application:
    """One routing of a package in ``labs/genuine/applications``, and its conversations.

    *shows* is its purpose. *tables* are the compared database tables, with times replaced by a
    word. Steps of clients without an open socket (a frame after a refusal, a second connect) are
    skipped, so that random conversations may contain them.
    """

    name: str
    package: str
    routing: str
    recorded: Mapping[str, Conversation]
    random: SearchStrategy[Conversation]
    shows: str = ""
    tables: tuple[str, ...] = ()
    urls: str | None = None
    #: More Django settings, the same for both engines.
    settings: Mapping[str, object] = field(default_factory=dict)
    #: More of CHANNEL_WORKERS, which Channels 1.1.8 does not have.
    workers: Mapping[str, object] = field(default_factory=dict)
