"""A soak as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labs.benchmarks.measuring.conditions import as_markdown
from labs.benchmarks.soaking.flat import Trend
from labs.benchmarks.soaking.plan import Plan
from labs.benchmarks.soaking.result import Result
from labs.harness.report import number, table


def as_text(result: Result, plan: Plan, given: dict[str, Any]) -> str:
    """Return the whole report. *given* are the conditions."""
    trends = result.trends()
    parts = [
        [f"# Soak, {given['server']}"],
        as_markdown(given),
        [verdicts(result)],
        [describe(result, plan)],
        ["## Counts"],
        count_table(result),
        ["## Trends"],
        trend_table(trends) if result.samples else ["No samples."],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def verdicts(result: Result) -> str:
    """Return the verdicts, in words."""
    errors = ", ".join(f"{kind.replace('_', ' ')} {n:,}" for kind, n in result.errors.items())
    return (
        f"Memory, files, threads and keys: {result.verdict()}. Times: "
        f"{result.verdict(of_times=True)}. Lost, repeated or out of order: {errors or 'nothing'}."
    )


def describe(result: Result, plan: Plan) -> str:
    """Return what the run did, in words."""
    minutes = result.samples[-1]["at"] / 60 if result.samples else 0
    text = (
        f"{plan.sockets} sockets in {plan.rooms} rooms, {number(plan.rate)} messages and "
        f"{number(plan.visits)} visits a second, for {number(minutes)} minutes, with a sample each "
        f"{number(plan.every)} s."
    )
    return text + (f" Ended early: {result.ended_early}" if result.ended_early else "")


def count_table(result: Result) -> list[str]:
    """Return what was counted. All but the first rows should be 0."""
    rows = [[name.replace("_", " "), f"{count:,}"] for name, count in result.counts.items()]
    rows += [
        ["visits" if name == "visits" else f"visits: {name}", f"{count:,}"]
        for name, count in result.visits.items()
    ]
    rows += [[what, f"{count:,}"] for what, count in result.trouble.items()]
    return table(["", "count"], rows, numbers=True)


def trend_table(trends: Sequence[Trend]) -> list[str]:
    """Return each trend: its level, its growth in the second half, and the verdict."""
    rows = [
        [
            f"{trend.name}, {trend.unit}" if trend.unit else trend.name,
            number(trend.level),
            number(trend.growth),
            number(trend.most),
            trend.verdict,
        ]
        for trend in trends
        if trend.points
    ]
    heading = ["second half", "median", "growth", "at most", ""]
    return table(heading, rows, numbers=True)
