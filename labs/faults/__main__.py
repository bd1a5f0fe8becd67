"""Run all faults. Exit status 1 if one misses its target."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from labs.faults.fault import Fault
from labs.faults.mutants.proof import try_mutants
from labs.faults.mutants.registry import MUTANTS
from labs.faults.registry import FAULTS, LONG
from labs.faults.row import Row
from labs.faults.size import FULL, QUICK, Size
from labs.faults.table import as_json, describe, heading, markdown
from labs.faults.trial import try_fault
from labs.harness.command import BAD, GOOD, add_files, make_parser, run_command
from labs.harness.registry import choose, listing
from labs.harness.report import conditions, say, write_json, write_markdown

COMMAND = "python -m labs.faults"


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = make_parser(COMMAND, __doc__, "a fault, or with --mutants a mutant")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, shorter faults")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run each N times")
    parser.add_argument(
        "--mutants",
        action="store_true",
        help="run deliberately broken engines, whose rows must miss a target",
    )
    add_files(parser, "json", "markdown")
    return parser.parse_args()


def run(faults: Sequence[Fault], size: Size, repeat: int, folder: Path) -> list[Row]:
    """Run all of them, and print each result."""
    say(heading())
    rows = []
    for number in range(repeat):
        for fault in faults:
            own = folder / f"{fault.name}-{number}"
            own.mkdir()
            rows.append(try_fault(fault, size, own))
            say(describe(rows[-1]))
    return rows


def prove(options: argparse.Namespace, folder: Path) -> int:
    """Run the mutants. The exit status is 1 if one was not caught."""
    mutants = choose(MUTANTS, options.only, "a mutant")
    if options.list:
        say(listing(mutants))
        return GOOD
    proofs = try_mutants(mutants, QUICK if options.quick else FULL, folder)
    if options.json:
        write_json(options.json, as_json([row for proof in proofs for row in proof.rows]))
    missed = [proof.mutant.name for proof in proofs if not proof.is_caught]
    say(f"{len(proofs)} mutants, not caught: {', '.join(missed) or 'none'}")
    return BAD if missed else GOOD


def report(options: argparse.Namespace, folder: Path) -> int:
    """Run the faults. Returns the exit status."""
    known = choose((*FAULTS, *LONG), options.only, "a fault")
    if options.list:
        say(listing(known))
        return GOOD
    since = time.monotonic()
    chosen = known if options.only else FAULTS
    rows = run(chosen, QUICK if options.quick else FULL, options.repeat, folder)
    given = conditions(shlex.join([*COMMAND.split(), *sys.argv[1:]]), sum(row.took for row in rows))
    if options.json:
        write_json(options.json, as_json(rows))
    if options.markdown:
        write_markdown(options.markdown, markdown(rows), given)
    missed = sum(not row.is_met for row in rows)
    say(f"{len(rows)} rows, {missed} missed, {time.monotonic() - since:.0f} s")
    return BAD if missed else GOOD


def main() -> int:
    """Run, report, return the exit status."""
    options = parse()
    run = partial(prove if options.mutants else report, options)
    return run_command("faults", run, mode=0o711)  # PostgreSQL runs as another user than root


if __name__ == "__main__":
    sys.exit(main())
