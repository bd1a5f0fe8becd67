"""Measures what shards cost: Redis time of a message at home and elsewhere, and its way there.

A message is sent to a group that has servers on each shard. Times in Redis are those of its command
statistics, the best of several rounds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from labs.benchmarks.measuring.conditions import as_markdown, conditions
from labs.benchmarks.measuring.files import QUICK_RESULTS, RESULTS, publish
from labs.harness.command import GOOD, run_command
from labs.harness.redis_server import RedisServer
from labs.harness.report import number, table

COMMAND = "python -m labs.benchmarks.sharding"

#: The numbers of shards, of servers on each, and of entries that are applied at once.
SHARDS, SERVERS, BATCHES = (1, 2, 4), (1, 3, 10), (1, 10, 50)

ROUNDS, QUICK_ROUNDS = 15, 1

Row = dict[str, float]


def measure(urls: Sequence[str], servers: int, rounds: int) -> Row:
    """Return the figures with a Redis at each of *urls*. Django is set up."""
    from labs.benchmarks.sharding.hosts import Hosts  # noqa: PLC0415  (Django must be set up)

    hosts = Hosts(list(urls), servers)
    row = {"commit us": min(hosts.committing() for _ in range(rounds))}
    if hosts.others:
        for batch in BATCHES:
            applied, kept = map(
                min, zip(*(hosts.applying(batch) for _ in range(rounds)), strict=True)
            )
            row[f"apply us, {batch} at once"] = applied
            row[f"read and trim us, {batch} at once"] = kept
        home, *elsewhere = hosts.arriving()
        row |= {"home ms": home, "elsewhere ms": max(elsewhere)}
    hosts.close()
    return row


def measure_all(folder: Path, rounds: int) -> dict[tuple[int, int], Row]:
    """Return the figures for each number of shards and of servers."""
    found = {}
    for shards in SHARDS:
        for servers in SERVERS:
            running = []
            for name in range(shards):
                (beside := folder / f"{shards}-{servers}-{name}").mkdir()
                running.append(RedisServer(beside))
                running[-1].start()
            try:
                found[shards, servers] = measure([it.url for it in running], servers, rounds)
            finally:
                for redis in running:
                    redis.process.stop()
    return found


def as_text(found: dict[tuple[int, int], Row], given: dict[str, Any]) -> str:
    """Return the report."""
    columns = list(dict.fromkeys(name for row in found.values() for name in row))
    rows = [
        [str(shards), str(servers), *(number(row.get(each)) for each in columns)]
        for (shards, servers), row in found.items()
    ]
    headings = ["shards", "servers on each", *columns]
    parts = [["# Shards"], as_markdown(given), table(headings, rows, numbers=True)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def run(options: argparse.Namespace, logs: Path) -> int:
    """Measure, and write the results."""
    settings.configure(SECRET_KEY="benchmark", INSTALLED_APPS=["channels_workers"])  # noqa: S106
    found = measure_all(logs, QUICK_ROUNDS if options.quick else ROUNDS)
    given = conditions(COMMAND, sys.argv[1:])
    folder = QUICK_RESULTS if options.quick else RESULTS
    content = {
        f"{shards} shards, {servers} servers": row for (shards, servers), row in found.items()
    }
    publish(folder, "sharding", as_text(found, given), {"conditions": given, "figures": content})
    return GOOD


def main() -> int:
    """Run, and return the exit status."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round instead of 15")
    return run_command("benchmarks", partial(run, parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
