"""Tests one combination in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from labs.versions.combinations import Combination
from labs.versions.environment import find_python, installed_versions, make_environment
from labs.versions.selection import PATHS
from labs.versions.servers import require_server, server_version

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools" / "versions"
#: With more failures than this, tests are not repeated: the versions are the cause, not the
#: machine.
MOST_REPEATED = 20


@dataclass(frozen=True)
class Result:
    """The result of a combination. `versions` are the installed ones, not the requested ones.

    `repeated` names tests that failed first and passed when run again, alone.
    """

    name: str
    date: str
    versions: dict[str, str]
    passed: int
    failed: int
    skipped: int
    seconds: int
    failures: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether tests ran, and all of them passed, at the latest on the second attempt."""
        return self.passed > 0 and self.failed == 0 and self.skipped == 0


@dataclass(frozen=True)
class Report:
    """The counts of pytest's JUnit file."""

    passed: list[str]
    failed: list[str]
    skipped: list[str]


def try_combination(combination: Combination, pythons: Mapping[str, str]) -> Result:
    """Run the tests with these versions."""
    started = time.monotonic()
    folder = TOOLS / combination.name.replace(" ", "-").lower()
    folder.mkdir(parents=True, exist_ok=True)
    server = require_server(combination.server, TOOLS)
    python = find_python(combination.python, pythons)
    interpreter = make_environment(combination, python, ROOT, folder)
    versions = installed_versions(interpreter) | {"server": server_version(server / "redis-server")}
    first = _run_tests(interpreter, server, folder / "tests", "--numprocesses=2", "--dist=loadfile")
    again = first
    if 0 < len(first.failed) <= MOST_REPEATED:
        again = _run_tests(interpreter, server, folder / "again", "--last-failed")
    repeated = sorted({*again.passed} & {*first.failed})
    return Result(
        name=combination.name,
        date=datetime.now(UTC).date().isoformat(),
        versions=versions,
        passed=len(first.passed) + len(repeated),
        failed=len(first.failed) - len(repeated),
        skipped=len(first.skipped),
        seconds=round(time.monotonic() - started),
        failures=sorted({*first.failed} - {*repeated}),
        repeated=repeated,
    )


def read_report(file: Path) -> Report:
    """Read the file. FileNotFoundError if pytest wrote none."""
    report = Report([], [], [])
    for case in ET.parse(file).iter("testcase"):  # noqa: S314 (our own pytest wrote it)
        name = f"{case.get('classname')}.{case.get('name')}"
        if _has(case, "failure", "error"):
            report.failed.append(name)
        elif _has(case, "skipped"):
            report.skipped.append(name)
        else:
            report.passed.append(name)
    return report


def _has(case: ET.Element, *children: str) -> bool:
    return any(case.find(child) is not None for child in children)


def _run_tests(interpreter: Path, server: Path, record: Path, *options: str) -> Report:
    path = os.pathsep.join([str(server), str(interpreter.parent), os.environ["PATH"]])
    report = record.with_suffix(".xml")
    report.unlink(missing_ok=True)
    with record.with_suffix(".log").open("w") as log:
        subprocess.run(
            [
                *(interpreter, "-m", "pytest", "-q", "-p", "labs.versions.selection"),
                *("-o", f"cache_dir={record.parent / 'cache'}"),
                *(f"--junit-xml={report}", *options, *PATHS),
            ],
            cwd=ROOT,
            env=os.environ | {"PATH": path},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return read_report(report)
