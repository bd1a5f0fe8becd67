"""One combination: its environment, its tests, what came of them."""

from __future__ import annotations

import os
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from matrix.combinations import Combination
from matrix.environment import find_python, installed_versions, make_environment
from matrix.selection import PATHS
from matrix.servers import require_server, server_version

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools" / "matrix"


@dataclass(frozen=True)
class Result:
    """What came of a combination. `versions` are those that were there, not those asked for."""

    name: str
    date: str
    versions: dict[str, str]
    passed: int
    failed: int
    skipped: int
    seconds: int
    failures: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether tests ran, and each of them passed."""
        return self.passed > 0 and self.failed == 0 and self.skipped == 0


def try_combination(combination: Combination, pythons: Mapping[str, str]) -> Result:
    """Run the tests with these versions."""
    started = time.monotonic()
    folder = TOOLS / combination.name.replace(" ", "-").lower()
    folder.mkdir(parents=True, exist_ok=True)
    server = require_server(combination.server, TOOLS)
    python = find_python(combination.python, pythons)
    interpreter = make_environment(combination, python, ROOT, folder)
    versions = installed_versions(interpreter) | {"server": server_version(server / "redis-server")}
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    _run_tests(interpreter, server, report)
    return read_report(report, combination.name, versions, round(time.monotonic() - started))


def read_report(report: Path, name: str, versions: dict[str, str], seconds: int) -> Result:
    """The result that a JUnit file of pytest tells; FileNotFoundError if pytest wrote none."""
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 (our own pytest wrote it)
    failed = [case for case in cases if _has(case, "failure", "error")]
    skipped = sum(_has(case, "skipped") for case in cases)
    return Result(
        name=name,
        date=datetime.now(UTC).date().isoformat(),
        versions=versions,
        passed=len(cases) - len(failed) - skipped,
        failed=len(failed),
        skipped=skipped,
        seconds=seconds,
        failures=[f"{case.get('classname')}.{case.get('name')}" for case in failed],
    )


def _has(case: ET.Element, *children: str) -> bool:
    return any(case.find(child) is not None for child in children)


def _run_tests(interpreter: Path, server: Path, report: Path) -> None:
    path = os.pathsep.join([str(server), str(interpreter.parent), os.environ["PATH"]])
    with report.with_name("tests.log").open("w") as log:
        subprocess.run(
            [
                *(interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *("-p", "matrix.selection", "--numprocesses", "2", "--dist", "loadfile"),
                *(f"--junit-xml={report}", *PATHS),
            ],
            cwd=ROOT,
            env=os.environ | {"PATH": path},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
