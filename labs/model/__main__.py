"""Check the model of the shards in all its states. Exit status 1 if a promise is violated.

With --mutants: exit status 1 if a mutant is not caught by its promise.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from labs.harness.command import BAD, GOOD, add_files, make_parser, run_command
from labs.harness.registry import choose, listing
from labs.harness.report import conditions, say, write_json, write_markdown
from labs.model.configuration import CONFIGURATIONS, Configuration
from labs.model.mutants import MUTANTS, Mutant
from labs.model.promises import PROMISES
from labs.model.spin import search
from labs.model.table import Row, as_json, describe, heading, markdown

COMMAND = "python -m labs.model"


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = make_parser(COMMAND, __doc__, "a configuration, or with --mutants a mutant")
    parser.add_argument(
        "--mutants", action="store_true", help="check deliberately broken models, which must fail"
    )
    parser.add_argument(
        "--story", action="store_true", help="print the steps that lead to each violation"
    )
    add_files(parser, "json", "markdown")
    return parser.parse_args()


def check(entries: Iterable[Configuration | Mutant], folder: Path) -> Iterator[Row]:
    """Search the states of each, one after the other."""
    for entry in entries:
        found = search(entry.scope, entry.switches, entry.order, folder / entry.name)
        expected = entry.violates if isinstance(entry, Mutant) else ""
        yield Row(entry.name, entry.description, found, expected)


def chosen(options: argparse.Namespace) -> list[Configuration | Mutant]:
    """The entries that the command line names."""
    if options.mutants:
        return [*choose(MUTANTS, options.only, "a mutant")]
    return [*choose(CONFIGURATIONS, options.only, "a configuration")]


def report(options: argparse.Namespace, folder: Path) -> int:
    """Check, report, return the exit status."""
    entries = chosen(options)
    if options.list:
        say(listing(entries))
        return GOOD
    say(heading())
    rows = []
    for row in check(entries, folder):
        rows.append(row)
        say(describe(row))
        if row.search.violated and (options.story or not row.is_met):
            say("\n".join(f"    {step}" for step in row.search.story))
            say(f"    Violated: {PROMISES[row.search.violated]}")
    took = sum(row.search.seconds for row in rows)
    if options.json:
        write_json(options.json, as_json(rows))
    if options.markdown:
        given = conditions(shlex.join([*COMMAND.split(), *sys.argv[1:]]), took)
        write_markdown(options.markdown, markdown(rows), given)
    missed = [row.name for row in rows if not row.is_met]
    say(f"{len(rows)} searches, {took:.0f} s, failed: {', '.join(missed) or 'none'}")
    return BAD if missed else GOOD


def main() -> int:
    """Run, report, return the exit status."""
    return run_command("model", partial(report, parse()))


if __name__ == "__main__":
    sys.exit(main())
