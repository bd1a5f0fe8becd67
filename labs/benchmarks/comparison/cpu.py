"""The CPU time of each process of a room, as Markdown."""

from __future__ import annotations

from labs.benchmarks.comparison.subjects import TABLE
from labs.benchmarks.measuring.results import Results
from labs.benchmarks.measuring.subject import Subject
from labs.harness.report import number, table

#: The roles of processes, and all of them together.
ROLES = ("server", "worker", "redis", "all")

#: What costs CPU time: the title of a table, the measurement, and the kind of the figure.
TABLES = (
    ("us of CPU time per message, rtt50", "rtt50", "cpu_us"),
    ("us of CPU time per delivery, bc1000", "bc1000", "cpu_us_per_delivery"),
    ("us of CPU time per handshake, connect", "connect", "cpu_us"),
)

NOTE = """\
What the processes of a room used while it was measured, by their role. Neither the load nor other
programs limit it as they limit a rate. `all / limit` is the ratio to the bare server of the same
kind, and to that under uvicorn for Node.js."""


def cpu_tables(results: Results) -> list[list[str]]:
    """Return a note and all tables."""
    return [[NOTE], *(cpu_table(results, *one) for one in TABLES)]


def cpu_table(results: Results, title: str, name: str, kind: str) -> list[str]:
    """Return the CPU time of the processes of all rooms in one measurement."""
    rows = []
    for subject in TABLE:
        cells = [results.median(subject.name, name, f"{kind} {role}") for role in ROLES]
        if cells[-1] is not None:
            rows.append(
                [subject.name, *map(number, cells), _to_limit(results, subject, name, kind)]
            )
    heading = [title, *ROLES, "all / limit"]
    return table(heading, rows, numbers=True) if rows else []


def _to_limit(results: Results, subject: Subject, name: str, kind: str) -> str:
    own, limit = (
        results.median(room, name, f"{kind} all")
        for room in (subject.name, f"bare, {server_beside(subject)}")
    )
    return number(own / limit) if own is not None and limit else ""


def server_beside(subject: Subject) -> str:
    """Return the kind of server to compare with: uvicorn beside Node.js."""
    server = subject.arrangement.server
    return "uvicorn" if server == "node" else server
