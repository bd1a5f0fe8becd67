"""The program of the parent. It starts by its path, before it can import packages."""

import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType

#: What ``handover`` gives to it, as JSON: count, path, settings and logging.
VARIABLE = "CHANNEL_WORKERS_PROCESSES"


def main(command: list[str]) -> int:
    """Run *command* in several processes; return the exit status."""
    given = json.loads(os.environ.pop(VARIABLE))
    environment = dict(os.environ)
    sys.path[:] = given["path"]
    # The package without its __init__, which loads Django and most of the engine.
    package = sys.modules["channels_workers"] = ModuleType("channels_workers")
    package.__path__ = [str(Path(__file__).parents[1])]
    importlib.import_module("channels_workers.processes.logs").configure(**given["logs"])
    supervisor = importlib.import_module("channels_workers.processes.supervisor")
    status: int = supervisor.run(given["count"], command, environment)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
