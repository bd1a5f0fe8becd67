"""Tries all faults; exit status 1 if one of them misses its target."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from labs.faults.fault import Fault
from labs.faults.mutants.proof import try_mutants
from labs.faults.registry import FAULTS, LONG
from labs.faults.row import Row
from labs.faults.size import FULL, QUICK, Size
from labs.faults.table import describe, heading, say, write_json, write_markdown
from labs.faults.trial import try_fault
from labs.harness.signals import interruptible

#: The exit status after SIGINT or SIGTERM.
INTERRUPTED = 130


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m labs.faults", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="try this one; repeatable")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, shorter harm")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="try each N times")
    parser.add_argument(
        "--mutants", action="store_true", help="try engines that are broken; rows must miss"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    return parser.parse_args()


def run(faults: Sequence[Fault], size: Size, repeat: int, folder: Path) -> list[Row]:
    """Try all of them; say what came of each."""
    say(heading())
    rows = []
    for number in range(repeat):
        for fault in faults:
            own = folder / f"{fault.name}-{number}"
            own.mkdir()
            rows.append(try_fault(fault, size, own))
            say(describe(rows[-1]))
    return rows


def main() -> int:
    """Try, report, return the exit status."""
    options = parse()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    since = time.monotonic()
    try:
        with interruptible():
            status = prove(options, folder) if options.mutants else report(options, folder)
    except KeyboardInterrupt:
        status = INTERRUPTED
    say(f"in {time.monotonic() - since:.0f} s")
    if status:
        say(f"What the processes wrote is in {folder}")
    else:
        shutil.rmtree(folder)
    return status


def prove(options: argparse.Namespace, folder: Path) -> int:
    """Try the mutants; return the exit status: 1 if one was not caught."""
    size = QUICK if options.quick else FULL
    proofs = try_mutants(options.only or (), size, folder)
    if options.json:
        write_json(options.json, [row for proof in proofs for row in proof.rows])
    missed = [proof.mutant.name for proof in proofs if not proof.is_caught]
    say(f"{len(proofs)} mutants, not caught: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def report(options: argparse.Namespace, folder: Path) -> int:
    """Try the faults; return the exit status."""
    wanted = set(options.only or ())
    known = (*FAULTS, *LONG)
    chosen = [fault for fault in known if fault.name in wanted] if wanted else list(FAULTS)
    if unknown := sorted(wanted - {fault.name for fault in known}):
        say(f"There is no fault of the name {', '.join(unknown)}; --list says which there are.")
        return 2
    if options.list:
        listed = chosen if wanted else known
        say("\n".join(f"{fault.name:<24} {fault.description}" for fault in listed))
        return 0
    rows = run(chosen, QUICK if options.quick else FULL, options.repeat, folder)
    if options.json:
        write_json(options.json, rows)
    if options.markdown:
        write_markdown(options.markdown, rows, conditions(rows))
    missed = sum(not row.is_met for row in rows)
    say(f"{len(rows)} rows, {missed} missed")
    return 1 if missed else 0


def conditions(rows: Sequence[Row]) -> list[str]:
    """Return lines that say how *rows* came about."""
    command = shlex.join(["python", "-m", "labs.faults", *sys.argv[1:]])
    return [
        f"{time.strftime('%Y-%m-%d')}, `{command}`, {sum(row.took for row in rows):.0f} s.",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}.",
    ]


if __name__ == "__main__":
    sys.exit(main())
