"""Let a real Prometheus watch a site in trouble, and check panels and alerts.

Exit status 1 if a query of the dashboard has no data, or an alert is missing.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from labs.harness.command import BAD, GOOD, run_command
from labs.harness.report import conditions, say
from labs.monitoring.recording import Recording
from labs.monitoring.run import (
    early_alerts,
    empty_queries,
    missing_alerts,
    play,
    read_dashboard,
)

COMMAND = "python -m labs.monitoring"


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep what was recorded there")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="run nothing, and take such a file instead"
    )
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw the dashboard there")
    return parser.parse_args()


def main(options: argparse.Namespace, folder: Path) -> int:
    """Run, report, draw, and return the exit status."""
    start = time.monotonic()
    recording = Recording.read(options.again) if options.again else play(folder)
    if options.record:
        recording.write(options.record)
    dashboard = read_dashboard()
    for line in report(recording):
        say(line)
    problems = [
        *missing_alerts(recording),
        *early_alerts(recording),
        *empty_queries(recording, dashboard),
    ]
    for problem in problems:
        say(f"PROBLEM: {problem}")
    if options.pictures:
        # It needs matplotlib.
        from labs.monitoring.drawing.page import draw_all  # noqa: PLC0415

        draw_all(dashboard, recording, options.pictures)
    say(" ".join(conditions(COMMAND, time.monotonic() - start)))
    return BAD if problems else GOOD


def report(recording: Recording) -> list[str]:
    """Return a line for each act and each alert, by time (s since the start)."""
    moments = [(at, title) for at, title in recording.acts]
    moments += [(at, f"    {name} fires") for at, name in recording.beginnings()]
    return [f"{at - recording.start:6.0f} s  {what}" for at, what in sorted(moments)]


if __name__ == "__main__":
    sys.exit(run_command("monitoring", partial(main, parse())))
