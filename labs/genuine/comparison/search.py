"""Looks for a short random conversation that differs, by Hypothesis."""

from __future__ import annotations

import time
from collections.abc import Callable

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.strategies import SearchStrategy

from labs.genuine.comparison.finding import Finding
from labs.genuine.comparison.steps import Conversation

Compare = Callable[[Conversation], Finding | None]

#: How long to shrink (s).
SHRINK_TIME = 60.0


class Found(Exception):
    """A conversation that differs."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding


class Memory:
    """Plays each conversation once, and no new one after the time to shrink.

    Unknown conversations then count as equal, so that Hypothesis ends with the best one so far.
    """

    def __init__(self, compare: Compare) -> None:
        self.compare = compare
        self.deadline: float | None = None
        self._known: dict[str, Finding | None] = {}

    def check(self, conversation: Conversation) -> None:
        """Raise `Found` if *conversation* differs."""
        key = repr(conversation)
        if key not in self._known:
            if self.deadline is not None and time.monotonic() > self.deadline:
                return
            self._known[key] = self.compare(conversation)
        finding = self._known[key]
        if finding is not None:
            self.deadline = self.deadline or time.monotonic() + SHRINK_TIME
            raise Found(finding)


def find_difference(
    conversations: SearchStrategy[Conversation], compare: Compare, examples: int, seed: int | None
) -> Finding | None:
    """Return one of the shortest *conversations* that differ. None if no example does.

    Without *seed* it tries the same ones each time.
    """
    memory = Memory(compare)

    @settings(
        max_examples=examples,
        derandomize=seed is None,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(conversations)
    def both_engines_agree(conversation: Conversation) -> None:
        memory.check(conversation)

    try:
        (both_engines_agree if seed is None else hypothesis.seed(seed)(both_engines_agree))()
    except Found as found:
        return found.finding
    return None
