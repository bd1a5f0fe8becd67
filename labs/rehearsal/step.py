"""The base class of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from labs.rehearsal.stage import Stage


class Step(ABC):
    """A part of the rehearsal. Steps share one stage and run in the order of ``registry.py``."""

    name: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def play(self, stage: Stage) -> None:
        """Run it. Adds observations and missed expectations to the row.

        An exception ends the rehearsal, because later steps would mean nothing.
        """
