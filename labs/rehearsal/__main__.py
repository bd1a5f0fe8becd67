"""Rehearses a deployment on Heroku, on this machine; exit status 1 if a step fails."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from labs.harness.signals import interruptible
from labs.rehearsal.registry import STEPS
from labs.rehearsal.row import Row
from labs.rehearsal.site import Site
from labs.rehearsal.slug import Repository
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step
from labs.rehearsal.table import describe, say, write_json, write_markdown

#: The exit status after SIGINT or SIGTERM.
INTERRUPTED = 130

#: A machine that did nothing for so long (s) is worth a word.
STOOD = 3.0


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="scripts/rehearse", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--until", metavar="STEP", help="end after this step")
    parser.add_argument(
        "--without", action="append", default=[], metavar="STEP", help="leave out this one"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    return parser.parse_args()


def play(step: Step, stage: Stage) -> bool:
    """Play a step, say what came of it; return whether those that follow can be played."""
    since = time.monotonic()
    row = stage.row = Row(step.name, step.description)
    stage.site.gauge.since()
    goes_on = True
    try:
        step.play(stage)
    except Exception as error:  # noqa: BLE001  (whatever it is, the step has failed)
        row.failures.append(f"{type(error).__name__}: {error}"[:3000])
        goes_on = False
    peaks = stage.site.gauge.since()
    row.redis, row.database = peaks.redis, peaks.database
    row.took = time.monotonic() - since
    if peaks.stood > STOOD:
        stage.note(f"the machine stood still for {peaks.stood:.0f} s meanwhile")
    say(describe(row))
    return goes_on


def rehearse(folder: Path, until: str | None, without: Sequence[str] = ()) -> list[Row]:
    """Play the steps in a *folder*; return their rows."""
    rows = []
    with Site(folder).running() as site:
        stage = Stage(folder, Repository(folder), site, Row("", ""))
        for step in (step for step in STEPS if step.name not in without):
            goes_on = play(step, stage)
            rows.append(stage.row)
            if not goes_on or step.name == until:
                break
    return rows


def conditions(took: float) -> list[str]:
    """Return lines that say how the rows came about."""
    return [
        f"{time.strftime('%Y-%m-%d')}, `scripts/rehearse`, {took:.0f} s.",
        f"{os.cpu_count()} cores, {platform.system()}.",
    ]


def report(options: argparse.Namespace, folder: Path) -> int:
    """Rehearse; return the exit status."""
    since = time.monotonic()
    rows = rehearse(folder, options.until, options.without)
    took = time.monotonic() - since
    if options.json:
        write_json(options.json, rows, conditions(took))
    if options.markdown:
        write_markdown(options.markdown, rows, conditions(took))
    failed = sum(not row.is_met for row in rows)
    left = 0 if options.until else len(STEPS) - len(rows) - len(options.without)
    say(f"{len(rows)} steps, {failed} failed, {left} not played, {took:.0f} s")
    return 1 if failed or left else 0


def main() -> int:
    """Rehearse, report, return the exit status."""
    options = parse()
    known = {step.name for step in STEPS}
    if unknown := {options.until, *options.without} - known - {None}:
        say(f"There is no step {', '.join(sorted(unknown))}; --list says which there are.")
        return 2
    if options.list:
        say("\n".join(f"{step.name:<12} {step.description}" for step in STEPS))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user
    try:
        with interruptible():
            status = report(options, folder)
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status:
        say(f"What the processes wrote is in {folder}")
    else:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
