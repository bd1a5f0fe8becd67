"""Runs the command, if LibCST is there."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_MISSING = """\
The upgrade needs LibCST, which reads and writes Python without touching its format.
Install it: python -m pip install "channels-workers[upgrade]", or python -m pip install libcst
"""


def run() -> int:
    """Run the command; 2 without LibCST."""
    if find_spec("libcst") is None:
        sys.stderr.write(_MISSING)
        return 2
    from channels_workers.upgrade.command import main  # noqa: PLC0415  (it needs LibCST)

    return main()


if __name__ == "__main__":
    sys.exit(run())
