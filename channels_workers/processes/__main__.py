"""The program of the parent. It starts by its path, before it can import packages."""

import importlib
import json
import os
import sys


def main(given: str, *command: str) -> int:
    """Run *command* in several processes; *given* is JSON: count, path and settings."""
    options = json.loads(given)
    environment = dict(os.environ)
    sys.path[:] = options["path"]
    os.environ["DJANGO_SETTINGS_MODULE"] = options["settings"]
    supervisor = importlib.import_module("channels_workers.processes.supervisor")
    status: int = supervisor.run(options["count"], command, environment)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
