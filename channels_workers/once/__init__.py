"""Exactly once, the database included: ``@once`` for consumers."""

from channels_workers.once.decorator import once, roll_back

__all__ = ["once", "roll_back"]
