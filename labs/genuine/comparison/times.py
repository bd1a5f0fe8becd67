"""Replaces times, which differ between runs."""

import re

#: As ISO 8601, Django and SQLite write them: 2017-04-01 12:30:00.123456+00:00.
TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?",
)


def without_times(text: str) -> str:
    """Return *text* with each time replaced by a word."""
    return TIME.sub("<time>", text)
