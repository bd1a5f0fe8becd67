"""A row of the table: a step and its counts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Row:
    """*redis* and *database* are the maximum of open connections, *took* is in s."""

    step: str
    description: str
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    redis: int = 0
    database: int = 0
    took: float = 0.0

    @property
    def is_met(self) -> bool:
        """Whether the step succeeded."""
        return not self.failures
