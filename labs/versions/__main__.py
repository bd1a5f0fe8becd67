"""Test combinations of versions. Exit status 1 if a test failed or was skipped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from labs.harness.command import BAD, GOOD, MISUSED, make_parser
from labs.harness.registry import choose
from labs.harness.report import say, write_json
from labs.versions.combinations import COMBINATIONS
from labs.versions.environment import MissingPython
from labs.versions.servers import MissingServer
from labs.versions.table import describe, markdown, merge, read_json
from labs.versions.trial import TOOLS, Result, try_combination


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = make_parser("scripts/versions", __doc__, "a combination")
    parser.add_argument(
        "--python", action="append", default=[], metavar="VERSION=PATH", help="an interpreter"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the results to this file, beside older ones",
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="replace the table in this page"
    )
    return parser.parse_args()


def report(results: Sequence[Result], options: argparse.Namespace) -> None:
    """Write the results so far, so that an interrupt loses nothing."""
    old = read_json(options.json) if options.json else []
    merged = merge(old, results)
    if options.json:
        write_json(options.json, [asdict(result) for result in merged])
    if options.markdown:
        replace_table(options.markdown, markdown(merged))


def replace_table(page: Path, table: str) -> None:
    """Replace the table below the mark `<!-- table: matrix -->`."""
    before, mark, after = page.read_text().partition("<!-- table: matrix -->\n")
    if not mark:
        raise SystemExit(f"{page} has no line <!-- table: matrix -->, below which the table goes.")
    lines = after.splitlines(keepends=True)
    while lines and lines[0].startswith("|"):
        del lines[0]
    page.write_text(before + mark + table + "".join(lines))


def try_all(options: argparse.Namespace) -> int:
    """Test, report, return the exit status."""
    pythons = dict(pair.split("=", 1) for pair in options.python)
    results: list[Result] = []
    missing = []
    for combination in choose(COMBINATIONS, options.only, "a combination"):
        try:
            result = try_combination(combination, pythons)
        except (MissingPython, MissingServer) as error:
            missing.append(combination.name)
            say(f"{combination.name}: NOT RUN. {error}")
            continue
        results.append(result)
        say(f"{combination.name}: {describe(result)}, {result.seconds} s, {result.versions}")
        for failure in result.failures:
            say(f"  failed: {failure}")
        for test in result.repeated:
            say(f"  on the second attempt: {test}")
        report(results, options)
    say(f"Environments, reports and logs are in {TOOLS}.")
    return GOOD if not missing and all(result.is_good for result in results) else BAD


def main() -> int:
    """Test the requested combinations, and return the exit status."""
    options = parse()
    if options.list:
        say("\n".join(one.name for one in COMBINATIONS))
        return GOOD
    try:
        return try_all(options)
    except ValueError as error:
        say(str(error))
        return MISUSED


if __name__ == "__main__":
    sys.exit(main())
