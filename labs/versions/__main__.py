"""Tries combinations of versions; exit status 1 if a test failed or was skipped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from labs.versions.combinations import COMBINATIONS, Combination
from labs.versions.environment import MissingPython
from labs.versions.servers import MissingServer
from labs.versions.table import describe, markdown, merge, read_json, write_json
from labs.versions.trial import TOOLS, Result, try_combination


def say(text: str) -> None:
    """Write a line at once."""
    print(text, flush=True)


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="scripts/versions", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="try this; repeatable")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument(
        "--python", action="append", default=[], metavar="VERSION=PATH", help="an interpreter"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="put the results there, beside older ones"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="replace the table in this page"
    )
    return parser.parse_args()


def chosen(names: Sequence[str] | None) -> list[Combination]:
    """The combinations of these names, or all; SystemExit for a name that there is not."""
    known = {one.name: one for one in COMBINATIONS}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SystemExit(f"There is no combination {unknown[0]!r}. There are: {', '.join(known)}.")
    return [known[name] for name in names or known]


def report(results: Sequence[Result], options: argparse.Namespace) -> None:
    """Write what there is so far, so that an end in between loses nothing."""
    old = read_json(options.json) if options.json else []
    merged = merge(old, results)
    if options.json:
        write_json(options.json, merged)
    if options.markdown:
        replace_table(options.markdown, markdown(merged))


def replace_table(page: Path, table: str) -> None:
    """Put the table below the mark `<!-- table: matrix -->` in place of the one there."""
    before, mark, after = page.read_text().partition("<!-- table: matrix -->\n")
    if not mark:
        raise SystemExit(f"{page} has no line <!-- table: matrix -->, below which the table goes.")
    lines = after.splitlines(keepends=True)
    while lines and lines[0].startswith("|"):
        del lines[0]
    page.write_text(before + mark + table + "".join(lines))


def main() -> int:
    """Try, report, return the exit status."""
    options = parse()
    if options.list:
        say("\n".join(one.name for one in COMBINATIONS))
        return 0
    pythons = dict(pair.split("=", 1) for pair in options.python)
    results: list[Result] = []
    missing = []
    for combination in chosen(options.only):
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
            say(f"  at the second try: {test}")
        report(results, options)
    say(f"Environments, reports and logs are in {TOOLS}.")
    return 0 if not missing and all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
