"""Sums the files of a coverage report by package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any


@dataclass
class Package:
    """The files below a path: counts of lines and branches, and the floor (percent)."""

    path: str
    floor: int
    lines: int = 0
    covered_lines: int = 0
    branches: int = 0
    covered_branches: int = 0

    def add(self, summary: Mapping[str, Any]) -> None:
        """Add a file by its summary in coverage's JSON."""
        self.lines += summary["num_statements"]
        self.covered_lines += summary["covered_lines"]
        self.branches += summary["num_branches"]
        self.covered_branches += summary["covered_branches"]

    @property
    def percent(self) -> float:
        """Covered lines and branches in percent. 100 for a package without code."""
        total = self.lines + self.branches
        return 100 * (self.covered_lines + self.covered_branches) / total if total else 100.0

    @property
    def is_too_low(self) -> bool:
        """Whether the coverage is below the floor."""
        return floor(self.percent) < self.floor


def add_up(report: Mapping[str, Any], floors: Mapping[str, int]) -> list[Package]:
    """Return the packages of *floors* with the counts of coverage's JSON *report*.

    ValueError for a file outside all paths of *floors*.
    """
    packages = {path: Package(path, percent) for path, percent in floors.items()}
    for file, found in report["files"].items():
        paths = [path for path in packages if file.startswith(path)]
        if not paths:
            raise ValueError(f"{file} is in no package of labs/coverage/floors.py: add its path")
        packages[max(paths, key=len)].add(found["summary"])
    return list(packages.values())


def markdown(packages: list[Package]) -> str:
    """Return the table, with the percentages rounded down."""
    rows = [
        "| package | lines | branches | covered | floor |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(_row(package) for package in packages),
    ]
    return "".join(f"{row}\n" for row in rows)


def _row(package: Package) -> str:
    covered = f"{floor(package.percent * 10) / 10:.1f} %"
    if package.is_too_low:
        covered = f"**{covered}**"
    lines = f"{package.covered_lines} of {package.lines}"
    branches = f"{package.covered_branches} of {package.branches}"
    return f"| `{package.path}` | {lines} | {branches} | {covered} | {package.floor} % |"
