"""A conversation that differs, and what became of it when it was played again."""

from __future__ import annotations

from dataclasses import dataclass

from labs.genuine.comparison.code import as_code
from labs.genuine.comparison.engine import GENUINE, OURS
from labs.genuine.comparison.steps import Conversation
from labs.genuine.comparison.transcript import Difference, Transcript, first_difference


@dataclass(frozen=True)
class Played:
    """The transcripts of one conversation on both engines."""

    genuine: Transcript
    ours: Transcript

    @property
    def difference(self) -> Difference | None:
        """Where they differ."""
        return first_difference(self.genuine, self.ours)


@dataclass(frozen=True)
class Finding:
    """A conversation that differs: its name, its Python code, and where it differs."""

    conversation: str
    code: str
    difference: Difference
    #: Whether it differed again in a second run.
    repeats: bool
    #: The names of the engines that behaved differently from themselves in the second run.
    unsteady: tuple[str, ...]

    @property
    def is_theirs(self) -> bool:
        """Whether it is a race of 1.1.8 alone: ours did the same both times."""
        return not self.repeats and self.unsteady == (GENUINE.name,)


def judge(name: str, conversation: Conversation, first: Played, second: Played) -> Finding | None:
    """Return what two runs of *conversation* say. None if the first one was equal."""
    if (difference := first.difference) is None:
        return None
    pairs = {GENUINE: (first.genuine, second.genuine), OURS: (first.ours, second.ours)}
    unsteady = tuple(engine.name for engine, pair in pairs.items() if first_difference(*pair))
    repeats = second.difference is not None
    return Finding(name, as_code(conversation), difference, repeats, unsteady)
