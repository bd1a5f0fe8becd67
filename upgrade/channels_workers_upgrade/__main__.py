"""``python -m channels_workers_upgrade``: the command without its script."""

import sys

from channels_workers_upgrade.command import main

if __name__ == "__main__":
    sys.exit(main())
