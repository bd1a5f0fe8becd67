"""The results of a run as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from labs.genuine.comparison.difference import Demonstrated
from labs.genuine.comparison.finding import Finding
from labs.genuine.comparison.result import Result
from labs.genuine.comparison.tested import Tested


def describe_result(result: Result) -> str:
    """Return a line for an application, and its differences."""
    verdict = "equal" if result.is_equal else "DIFFERENT"
    line = (
        f"{result.application:<28} {result.conversations:4} conversations {result.steps:5} steps "
        f"{result.frames:5} frames {result.seconds:6.1f} s  {verdict}"
    )
    parts = [line, *map(_describe_finding, [*result.findings, *result.theirs])]
    if result.trouble:
        parts.append(textwrap.indent(result.trouble, "    "))
    return "\n".join(parts)


def _describe_finding(finding: Finding) -> str:
    text = f"in {finding.conversation}{_again(finding)}\n{finding.difference}\n{finding.code}"
    return textwrap.indent(text, "    ")


def _again(finding: Finding) -> str:
    if finding.is_theirs:
        return (
            f" (not counted: played again, it was equal, and {finding.unsteady[0]} alone "
            "behaved differently from before)"
        )
    parts = [] if finding.repeats else ["once; played again, it was equal"]
    parts += [f"{engine} behaved differently the second time" for engine in finding.unsteady]
    return f" ({'; '.join(parts)})" if parts else ""


def describe_difference(shown: Demonstrated) -> str:
    """Return what was observed of a deliberate difference."""
    verdict = "as expected" if shown.is_as_expected else "NOT AS EXPECTED"
    lines = [f"{shown.name}: {verdict}", textwrap.indent(textwrap.fill(shown.reason, 92), "    ")]
    lines += [f"    {engine + ':':<18}{seen}" for engine, seen in shown.seen.items()]
    if not shown.is_as_expected:
        lines += [f"    expected of {engine}: {what}" for engine, what in shown.expected.items()]
    return "\n".join(lines)


def describe_tests(tested: Sequence[Tested]) -> str:
    """Return how many tests of consumers passed on each engine."""
    lines = [
        f"{one.engine}: {one.passed} tests of consumers pass\n{one.trouble}".strip()
        for one in tested
    ]
    return "\n".join(["", *lines])


def as_json(
    results: Sequence[Result], differences: Sequence[Demonstrated], tested: Sequence[Tested]
) -> dict[str, Any]:
    """Return all results as JSON values."""
    return {
        "applications": [{**asdict(result), "equal": result.is_equal} for result in results],
        "differences": [
            {**asdict(shown), "as_expected": shown.is_as_expected} for shown in differences
        ],
        "tests": [asdict(one) for one in tested],
    }
