"""The results as JSON and as a table in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from labs.harness.report import table
from labs.versions.combinations import COMBINATIONS
from labs.versions.trial import Result

COLUMNS = ("python", "django", "redis", "channels", "daphne", "server")
HEADINGS = ("combination", "Python", "Django", "redis-py", "channels", "daphne", "server")


def read_json(file: Path) -> list[Result]:
    """The results in a file. None if there is no file."""
    if not file.exists():
        return []
    return [Result(**entry) for entry in json.loads(file.read_text())]


def merge(old: Sequence[Result], new: Sequence[Result]) -> list[Result]:
    """The newest result of each existing combination, in the order of the combinations."""
    newest = {result.name: result for result in (*old, *new)}
    return [newest[one.name] for one in COMBINATIONS if one.name in newest]


def rows(results: Sequence[Result]) -> list[list[str]]:
    """The cells of the table. A combination without a result has a row that says so."""
    known = {result.name: result for result in results}
    return [
        _cells(known[one.name]) if one.name in known else _not_run(one.name) for one in COMBINATIONS
    ]


def describe(result: Result) -> str:
    """A short summary of the tests."""
    if result.is_good:
        repeated = f", {len(result.repeated)} on the second attempt" if result.repeated else ""
        return f"{result.passed} passed{repeated}"
    return f"**{result.failed} failed, {result.skipped} skipped**, {result.passed} passed"


def markdown(results: Sequence[Result]) -> str:
    """The table."""
    return "".join(f"{line}\n" for line in table((*HEADINGS, "tests", "date"), rows(results)))


def _cells(result: Result) -> list[str]:
    versions = [result.versions[column] for column in COLUMNS]
    return [result.name, *versions, describe(result), result.date]


def _not_run(name: str) -> list[str]:
    return [name, *("",) * len(COLUMNS), "not run", ""]
