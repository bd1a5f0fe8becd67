"""Exactly once, the database included: ``@once`` for consumers."""

from channels_workers.once.decorator import once

__all__ = ["once"]
