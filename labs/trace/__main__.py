"""Prints the trace of one frame, through a real interface server and a real worker, as a tree.

Or it measures what tracing costs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from labs.harness.signals import interruptible
from labs.trace import cost
from labs.trace.site import TracedSite
from labs.trace.tree import as_text

#: Frames before the one that is shown: the first ones import and connect.
WARM_UP = 10


def main() -> int:
    """Start a site, say something, and print the last trace."""
    parser = argparse.ArgumentParser(prog="python -m labs.trace", description=__doc__)
    parser.add_argument("--server", choices=("daphne", "uvicorn"), default="daphne")
    parser.add_argument("--cost", action="store_true", help="compare round trips instead")
    options = parser.parse_args()
    if options.cost:
        print(cost.as_text(cost.compare(options.server)))
        return 0
    with tempfile.TemporaryDirectory() as folder, TracedSite(Path(folder), options.server) as site:
        texts = [f"hello {number}" for number in range(WARM_UP + 1)]
        site.say(*texts)
        print(as_text(site.wait_for_frames(len(texts))[-1]))
    return 0


if __name__ == "__main__":
    with interruptible():  # a site stops its processes
        sys.exit(main())
