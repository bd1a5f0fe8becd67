"""The cost of ``@once`` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.benchmarks.committing.subjects import DATABASES, LOAD, ROOMS, subject
from labs.benchmarks.measuring.conditions import as_markdown
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.paging.report import trouble
from labs.harness.report import number, table

RATE = "messages_per_s"

#: The processes of a site.
ROLES = ("server", "worker", "redis", "database")

#: The least and the wanted share of the messages of the plain consumer.
LEAST, AIM = 0.6, 0.8

#: The words for each room in the table.
WAYS = {
    "rows": "plain",
    "rows-atomic": "in `transaction.atomic()`",
    "rows-once": "with `@once`",
    "rows-async": "`async def`, plain",
    "rows-async-once": "`async def`, with `@once`",
}

INTRODUCTION = """\
One worker with one thread stores each message of 50 clients by one `INSERT`, and sends it to the
client's room. All processes of the site share core 0, the database too, and the load has core 1.
The ratios compare with the plain consumer of the same database. CPU time is that of all processes
of a role, or of the whole site, per message. `BEGIN` and `COMMIT` count as queries."""


def as_text(results: Results, queries: Mapping[str, int], given: dict[str, Any]) -> str:
    """Return the whole report. *queries* are those of each room, *given* the conditions."""
    parts = [
        ["# The cost of @once"],
        [INTRODUCTION],
        as_markdown(given),
        ["## Medians"],
        cost_table(results, queries),
        ["## Goals"],
        goals(results),
        trouble(results),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def cost_table(results: Results, queries: Mapping[str, int]) -> list[str]:
    """Return the figures of each room with each database."""
    heading = ["database", "consumer", "messages/s", "/ plain"]
    heading += ["worker: us CPU", "database: us CPU", "site: us CPU", "plain / it"]
    heading += ["queries", "spread"]
    rows = []
    for database in DATABASES:
        for room in ROOMS:
            name = subject(room, database).name
            cells = [
                results.median(name, LOAD, RATE),
                share(results, room, database),
                results.median(name, LOAD, "cpu_us worker"),
                results.median(name, LOAD, "cpu_us database"),
                site_cpu(results, room, database),
                cpu_share(results, room, database),
            ]
            if cells[0] is not None:
                count = str(queries.get(room, ""))
                rows.append([database, WAYS[room], *map(number, cells), count])
                rows[-1].append(spread(results, name))
    return table(heading, rows, numbers=True)


def share(results: Results, room: str, database: str) -> float | None:
    """Return the messages of *room*, as a share of those of its plain consumer."""
    mine, plain = (
        results.median(subject(one, database).name, LOAD, RATE) for one in (room, ROOMS[room])
    )
    return mine / plain if mine is not None and plain else None


def site_cpu(results: Results, room: str, database: str) -> float | None:
    """Return the CPU time of all processes but the load per message (us)."""
    name = subject(room, database).name
    found = [results.median(name, LOAD, f"cpu_us {role}") for role in ROLES]
    return sum(filter(None, found)) or None


def cpu_share(results: Results, room: str, database: str) -> float | None:
    """Return the CPU time of the plain consumer's site, as a share of that of *room*.

    It is what the messages per second should be, and varies less on a noisy machine.
    """
    mine, plain = (site_cpu(results, one, database) for one in (room, ROOMS[room]))
    return plain / mine if mine and plain else None


def spread(results: Results, name: str) -> str:
    """Return the distance between the repeats, as a share of their median."""
    values, middle = results.values(name, LOAD, RATE), results.median(name, LOAD, RATE)
    return f"{(max(values) - min(values)) / middle:.0%}" if middle else ""


def goals(results: Results) -> list[str]:
    """Return whether ``@once`` carries enough of the plain consumer's messages."""
    rows = []
    for database in DATABASES:
        for room in ("rows-once", "rows-async-once"):
            found = share(results, room, database)
            verdict = "not measured" if found is None else _verdict(found)
            rows.append([f"{WAYS[room]}, {database}", number(found), f"{LEAST}", f"{AIM}", verdict])
    return table(["@once / plain", "measured", "at least", "aim", ""], rows, numbers=True)


def _verdict(found: float) -> str:
    if found >= AIM:
        return "aim"
    return "reached" if found >= LEAST else "missed"
