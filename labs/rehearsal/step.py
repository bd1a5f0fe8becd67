"""The base class of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from labs.rehearsal.stage import Stage


class Step(ABC):
    """A part of the rehearsal: they follow each other on one stage, as ``registry.py`` has them."""

    name: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def play(self, stage: Stage) -> None:
        """Do it; note facts, and what was expected and did not come.

        An exception ends the rehearsal: what follows would mean nothing.
        """
