"""Print the coverage of each package. Exit status 1 if one is below its floor."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from labs.coverage.floors import FLOORS
from labs.coverage.packages import add_up, markdown


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m labs.coverage", description=__doc__)
    parser.add_argument("report", type=Path, help="the JSON file that `coverage json` writes")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="append the table to a file")
    parser.add_argument("--no-floors", action="store_true", help="only print the table")
    options = parser.parse_args()
    packages = add_up(json.loads(options.report.read_text()), FLOORS)
    table = markdown(packages)
    print(table, end="")
    if options.markdown:
        with options.markdown.open("a") as file:
            file.write(table)
    low = [package.path for package in packages if package.is_too_low]
    if options.no_floors or not low:
        return 0
    print(f"Below the floor of labs/coverage/floors.py: {', '.join(low)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
