"""Enqueues tasks of one runner as its standard input says, one command a line.

A command is JSON: the name of the ``task``, its first ``number`` and how ``many`` there are, and
further ``args``. The answer is a line too: when the first call began (monotonic s), and how long
all calls took together (s). It begins with a line that says that all is ready.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module


def main() -> None:
    """Obey until the end of the input."""
    runner = import_module(f"labs.benchmarks.runners.{os.environ['RUNNER']}")
    print("{}", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        send, args = runner.SENDERS[order["task"]], order["args"]
        began = time.monotonic()
        for number in range(order["number"], order["number"] + order["many"]):
            send(number, *args)
        took = time.monotonic() - began
        print(json.dumps({"began": began, "took": took}), flush=True)


if __name__ == "__main__":
    main()
