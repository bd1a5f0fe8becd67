"""``python -m channels_workers.upgrade``: starts the command that moves projects from Channels 1.x.

The command is a distribution of its own, ``channels-workers-upgrade``, which needs no engine and
no Django. This module hands over to it where it is installed, and says how to install it otherwise.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

_COMMAND = "channels_workers_upgrade"

_MISSING = """\
The command that moves projects from Channels 1.x is not installed. It is a package of its own:
  pipx install channels-workers-upgrade    from an index
  pipx install ./upgrade                   in a checkout of channels-workers
Then run: channels-workers-upgrade PATH...
"""


def main() -> int:
    """Run the command if it is installed; return its exit status, 2 if it is missing."""
    if find_spec(_COMMAND) is None:
        sys.stderr.write(_MISSING)
        return 2
    status: int = import_module(f"{_COMMAND}.command").main()
    return status


if __name__ == "__main__":
    sys.exit(main())
