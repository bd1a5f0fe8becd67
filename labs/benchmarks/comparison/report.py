"""The comparison as Markdown."""

from __future__ import annotations

import re
from typing import Any

from labs.benchmarks.comparison.cpu import cpu_tables, server_beside
from labs.benchmarks.comparison.goal import Goal
from labs.benchmarks.comparison.goals import GOALS
from labs.benchmarks.comparison.subjects import CHATS, SLOWER, TABLE, WORKERS
from labs.benchmarks.measuring.conditions import as_markdown
from labs.benchmarks.measuring.results import Results
from labs.harness.report import number, table

#: Each column: its heading, the measurement, and the figure.
COLUMNS = (
    ("rtt1 p50 ms", "rtt1", "p50_ms"),
    ("rtt1/s", "rtt1", "messages_per_s"),
    ("rtt50/s", "rtt50", "messages_per_s"),
    ("bc100 deliveries/s", "bc100", "deliveries_per_s"),
    ("bc1000 deliveries/s", "bc1000", "deliveries_per_s"),
    ("connects/s", "connect", "connects_per_s"),
    ("KiB/socket", "connect", "server_kib_per_socket"),
    ("flood/s", "flood", "messages_per_s"),
)

#: The columns for all other measurements.
OTHER_COLUMNS = (
    ("messages/s", "messages_per_s"),
    ("p50 ms", "p50_ms"),
    ("server: us CPU per delivery", "cpu_us_per_delivery server"),
    ("requests to Redis per message", "requests_per_message"),
    ("us in Redis per message", "redis_us_per_message"),
)

#: From this share of its core on, the load itself may limit a figure.
BUSY = 0.9


def as_text(results: Results, given: dict[str, Any]) -> str:
    """Return the whole report. *given* are the conditions."""
    parts = [
        ["# Comparison"],
        as_markdown(given),
        ["## Goals"],
        goal_table(results),
        ["## Medians"],
        median_table(results),
        [NOTE],
        error_list(results),
        ["## Ratios: channels_workers under the same server to each row, under uvicorn to Node.js"],
        ratio_table(results),
        ["## CPU time of each process"],
        *cpu_tables(results),
        ["## Other rooms and arrangements"],
        other_table(results),
        ["## Cost of the load generator"],
        client_table(results),
        failure_list(results),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


NOTE = """\
`+`: the load took its whole core, the server may be able to do more. `!`: something was lost, came
twice, or out of order; see below. Spread: how far the repeats of a row lie apart at most, the
highest less the lowest, of their median."""


def goal_table(results: Results) -> list[str]:
    """Return the goals: value, at least, aim, verdict."""
    rows = [
        [goal.what, goal.measured(results), *_wanted(goal), goal.verdict(results)] for goal in GOALS
    ]
    return table(["goal", "measured", "at least", "aim", ""], rows, numbers=True)


def _wanted(goal: Goal) -> list[str]:
    return [goal.least_in_words, goal.aim_in_words]


def median_table(results: Results) -> list[str]:
    """Return the medians of all rooms."""
    heading = ["room", *(title for title, _, _ in COLUMNS), "spread"]
    rows = []
    for subject in TABLE:
        cells = [_cell(results, subject.name, name, key) for _, name, key in COLUMNS]
        if any(cells):
            rows.append([subject.name, *cells, _spread(results, subject.name)])
    return table(heading, rows, numbers=True)


def _cell(results: Results, subject: str, name: str, key: str) -> str:
    text = number(results.median(subject, name, key))
    if not text:
        return ""
    busy = "+" if (results.client(subject, name) or 0) >= BUSY else ""
    return text + busy + ("!" if results.errors(subject, name) else "")


def _spread(results: Results, subject: str) -> str:
    found = [0.0]
    for _, name, key in COLUMNS:
        values, middle = results.values(subject, name, key), results.median(subject, name, key)
        if middle:
            found.append((max(values) - min(values)) / middle)
    return f"{max(found):.0%}"


def error_list(results: Results) -> list[str]:
    """Return the errors of each measurement over all repeats."""
    lines = []
    for subject, name in results.reports:
        if errors := results.errors(subject, name):
            words = ", ".join(f"{kind.replace('_', ' ')} {n:,}" for kind, n in errors.items())
            lines.append(f"* {subject}, {name}: {words}")
    return lines


def ratio_table(results: Results) -> list[str]:
    """Return our figures divided by those of the others under the same server."""
    rows = []
    for subject in TABLE:
        if subject.room == "channels_workers":
            continue
        ours = f"channels_workers, {server_beside(subject)}"
        cells = []
        for _, name, key in COLUMNS:
            own, other = results.median(ours, name, key), results.median(subject.name, name, key)
            cells.append(number(own / other) if own is not None and other else "")
        if any(cells):
            rows.append([subject.name, *cells])
    return table(["room", *(title for title, _, _ in COLUMNS)], rows, numbers=True)


def other_table(results: Results) -> list[str]:
    """Return the measurements outside the table of rooms."""
    places = [(subject.name, "rtt50") for subject in (*WORKERS, *SLOWER, *CHATS)]
    others = re.compile("requests|grown|.*-deflate")
    places += [place for place in results.reports if others.match(place[1])]
    rows = []
    for subject, name in places:
        cells = [number(results.median(subject, name, key)) for _, key in OTHER_COLUMNS]
        if any(cells):
            rows.append([f"{subject}: {name}", *cells])
    return table(["", *(title for title, _ in OTHER_COLUMNS)], rows, numbers=True)


def client_table(results: Results) -> list[str]:
    """Return the cost of the load itself, measured in the bare rooms, which limit it least."""
    rows = []
    for subject in TABLE[:2]:
        for name in ("rtt1", "rtt50", "bc100", "bc1000", "connect"):
            reports = results.reports.get((subject.name, name), [])
            if not reports:
                continue
            share = results.client(subject.name, name) or 0.0
            key = "connects_per_s" if name == "connect" else "deliveries_per_s"
            rate = results.median(subject.name, name, key) or 0.0
            rows.append([f"{subject.name}: {name}", f"{share:.2f}", number(share / rate * 1e6)])
    return table(["", "share of its core", "us per delivery or handshake"], rows, numbers=True)


def failure_list(results: Results) -> list[str]:
    """Return the failed measurements, with the reason."""
    lines = [
        f"* {subject}, {name}: {reason.splitlines()[0]}"
        for (subject, name), reasons in results.failures.items()
        for reason in reasons
    ]
    return ["## Not measured", "", *lines] if lines else []
