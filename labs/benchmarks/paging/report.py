"""The cost of pages as Markdown."""

from __future__ import annotations

from typing import Any

from labs.benchmarks.measuring.conditions import as_markdown
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.paging.subjects import ALONE, CROWD, INTERFACE, SERVERS, WORKERS, subjects
from labs.harness.report import number, table

ROLES = ("server", "worker", "redis")

INTRODUCTION = """\
A page of 1 KiB by a sync view, on connections that stay open: answered by Django in the interface
server (`pages`), and by a worker (`pages-workers`). All of a site is on core 0 and the load on core
1, unless "not pinned". `get1` is one client with 20 ms between its requests, `get50` are 50 clients
without a pause. CPU time is that of all processes of a role."""


def as_text(results: Results, given: dict[str, Any]) -> str:
    """Return the whole report. *given* are the conditions."""
    parts = [
        ["# Pages"],
        [INTRODUCTION],
        as_markdown(given),
        ["## Medians"],
        median_table(results),
        ["## What workers add"],
        cost_table(results),
        trouble(results),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def median_table(results: Results) -> list[str]:
    """Return the figures of each site."""
    heading = [
        *("site", "get1 p50 ms", "get1 p99 ms", "get50/s", "get50 p99 ms"),
        *(f"{role}: us CPU" for role in ROLES),
        *("get50 per CPU second", "spread"),
    ]
    rows = []
    for subject in subjects():
        name = subject.name
        cells = [
            results.median(name, ALONE, "p50_ms"),
            results.median(name, ALONE, "p99_ms"),
            results.median(name, CROWD, "messages_per_s"),
            results.median(name, CROWD, "p99_ms"),
            *(cpu(results, name, role) for role in ROLES),
            per_cpu_second(results, name),
        ]
        if any(cells):
            rows.append([name, *map(number, cells), _spread(results, name)])
    return table(heading, rows, numbers=True)


def cpu(results: Results, subject: str, role: str) -> float | None:
    """Return the CPU time of a role per request of the crowd (us)."""
    values = results.values(subject, CROWD, f"cpu_us {role}")
    return sorted(values)[len(values) // 2] if values else None


def per_cpu_second(results: Results, subject: str) -> float | None:
    """Return the requests for a second of CPU time of all processes together."""
    taken = sum(cpu(results, subject, role) or 0.0 for role in ROLES)
    return 1e6 / taken if taken else None


def cost_table(results: Results) -> list[str]:
    """Return the differences and ratios of both sides under each server."""
    rows = []
    for server in SERVERS:
        one, other = INTERFACE[server].name, WORKERS[server].name
        p50, p99 = (_more(results, one, other, key) for key in ("p50_ms", "p99_ms"))
        rates = [results.median(name, CROWD, "messages_per_s") for name in (one, other)]
        share = rates[1] / rates[0] if rates[0] and rates[1] is not None else None
        rows.append([server, *map(number, (p50, p99, share))])
    heading = ["server", "get1 p50: ms more", "get1 p99: ms more", "get50/s, workers / interface"]
    return table(heading, rows, numbers=True)


def _more(results: Results, one: str, other: str, key: str) -> float | None:
    before, after = (results.median(name, ALONE, key) for name in (one, other))
    return None if before is None or after is None else after - before


def _spread(results: Results, subject: str) -> str:
    found = [0.0]
    for name, key in ((ALONE, "p50_ms"), (CROWD, "messages_per_s")):
        values, middle = results.values(subject, name, key), results.median(subject, name, key)
        if middle:
            found.append((max(values) - min(values)) / middle)
    return f"{max(found):.0%}"


def trouble(results: Results) -> list[str]:
    """Return errors and failures."""
    lines = []
    for place in dict.fromkeys([*results.reports, *results.failures]):
        errors = ", ".join(f"{kind} {count}" for kind, count in results.errors(*place).items())
        reasons = [reason.splitlines()[0] for reason in results.failures.get(place, [])]
        lines += [f"* {', '.join(place)}: {text}" for text in (errors, *reasons) if text]
    return lines
