"""Rehearse a deployment on Heroku, on this machine. Exit status 1 if a step fails."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from labs.harness.command import BAD, GOOD, add_files, make_parser, run_command
from labs.harness.registry import listing, require_known
from labs.harness.report import conditions, say, write_json, write_markdown
from labs.rehearsal.registry import STEPS
from labs.rehearsal.row import Row
from labs.rehearsal.site import Site
from labs.rehearsal.slug import Repository
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step
from labs.rehearsal.table import as_json, describe, markdown

COMMAND = "scripts/rehearse"

#: A longer stall of the machine is mentioned (s).
STOOD = 3.0


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = make_parser(COMMAND, __doc__)
    parser.add_argument("--until", metavar="STEP", help="stop after this step")
    parser.add_argument(
        "--without", action="append", default=[], metavar="STEP", help="skip this step"
    )
    add_files(parser, "json", "markdown")
    return parser.parse_args()


def play(step: Step, stage: Stage) -> bool:
    """Run a step and print its result. Returns whether the following ones can run."""
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
        stage.note(f"the machine stalled for {peaks.stood:.0f} s meanwhile")
    say(describe(row))
    return goes_on


def rehearse(folder: Path, until: str | None, without: Sequence[str] = ()) -> list[Row]:
    """Run the steps in a *folder*, and return their rows."""
    rows = []
    with Site(folder).running() as site:
        stage = Stage(folder, Repository(folder), site, Row("", ""))
        for step in (step for step in STEPS if step.name not in without):
            goes_on = play(step, stage)
            rows.append(stage.row)
            if not goes_on or step.name == until:
                break
    return rows


def report(options: argparse.Namespace, folder: Path) -> int:
    """Rehearse. Returns the exit status."""
    wanted = [*options.without, *([options.until] if options.until else [])]
    require_known(wanted, [step.name for step in STEPS], "a step")
    if options.list:
        say(listing(STEPS))
        return GOOD
    since = time.monotonic()
    rows = rehearse(folder, options.until, options.without)
    took = time.monotonic() - since
    given = conditions(COMMAND, took)
    if options.json:
        write_json(options.json, as_json(rows, given))
    if options.markdown:
        write_markdown(options.markdown, markdown(rows), given)
    failed = sum(not row.is_met for row in rows)
    left = 0 if options.until else len(STEPS) - len(rows) - len(options.without)
    say(f"{len(rows)} steps, {failed} failed, {left} not played, {took:.0f} s")
    return BAD if failed or left else GOOD


def main() -> int:
    """Rehearse, report, return the exit status."""
    # PostgreSQL runs as another user, who must be able to enter the folder.
    return run_command("rehearsal", partial(report, parse()), mode=0o711)


if __name__ == "__main__":
    sys.exit(main())
