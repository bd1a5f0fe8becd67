"""Measures what rooms that once had members cost Redis: nothing, if the rows of the table agree.

Each row has more rooms that had a member, and have none any more. It shows what is left of them,
and the CPU time of Redis for each step of a connection beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from labs.benchmarks.measuring.conditions import as_markdown, conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.harness.command import GOOD, run_command
from labs.harness.redis_server import RedisServer
from labs.harness.report import number, table

COMMAND = "python -m labs.benchmarks.emptying"

#: Rooms that once had a member, and the connections of each step, of a full run and a quick one.
FULL, QUICK = ((1_000, 10_000, 100_000, 1_000_000), 1_000), ((100, 1_000), 20)

Row = dict[str, float]


async def measure(url: str, counts: tuple[int, ...], connections: int) -> dict[int, Row]:
    """Return a row for each of *counts*. Django is set up."""
    from channels_workers.layers.redis import RedisChannelLayer  # noqa: PLC0415
    from labs.benchmarks.emptying.rooms import Rooms  # noqa: PLC0415  (Django must be set up)

    layer = RedisChannelLayer(hosts=[url])
    rooms, found = Rooms(layer), {}
    layer.start_server()
    await layer.first_attempt()
    await rooms.time_steps(connections)  # Redis learns the scripts
    for count in counts:
        await rooms.fill_and_empty(count - rooms.filled)
        found[count] = {**rooms.left(), **await rooms.time_steps(connections)}
    await layer.retire_server()
    layer.disconnect()
    return found


def as_text(found: dict[int, Row], given: dict[str, Any]) -> str:
    """Return the report."""
    first, *_ = found.values()
    columns = list(first)
    rows = [
        [f"{count:,}", *(number(row[each]) for each in columns)] for count, row in found.items()
    ]
    left, steps = ["keys", "KiB", "in the server"], columns[3:]
    headings = ["rooms", *left, *(f"{step}: us" for step in steps)]
    parts = [
        ["# Rooms that once had members"],
        as_markdown(given),
        table(headings, rows, numbers=True),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def run(options: argparse.Namespace, logs: Path) -> int:
    """Measure, and write the results."""
    settings.configure(SECRET_KEY="benchmark", INSTALLED_APPS=["channels_workers"])  # noqa: S106
    redis = RedisServer(logs)
    redis.start()
    try:
        found = asyncio.run(measure(redis.url, *(QUICK if options.quick else FULL)))
    finally:
        redis.process.stop()
    given = conditions(COMMAND, sys.argv[1:])
    text = as_text(found, given)
    folder = QUICK_RESULTS if options.quick else RESULTS
    publish(folder, "emptying", text, {"conditions": given, "rooms": found})
    return GOOD


def main() -> int:
    """Run, and return the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 1,000 rooms")
    return run_command("benchmarks", partial(run, parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
