"""Serves one of the rooms, with sockets at /chat/<room>/, until SIGINT or SIGTERM.

Prints one line of JSON when everything is ready: the addresses of the servers, the ports, and the
process ids by role.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from pathlib import Path

from labs.benchmarks.serving.arrangement import Arrangement
from labs.benchmarks.serving.cores import ANY, parse_cores
from labs.benchmarks.serving.room import SERVERS
from labs.benchmarks.serving.rooms import ROOMS, find_room
from labs.benchmarks.serving.site import Site
from labs.harness.signals import interruptible


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    rooms = "\n".join(f"  {room.name:18}{room.describes}" for room in ROOMS)
    parser = argparse.ArgumentParser(
        prog="labs/benchmarks/serve",
        description=f"{__doc__}\nRooms:\n{rooms}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="which room")
    parser.add_argument("--server", choices=SERVERS, default="daphne", help="default: daphne")
    counts = {
        "--servers": "interface servers, each on its own port",
        "--workers": "worker processes, if the room has any",
        "--threads": "threads per worker",
    }
    for option, meaning in counts.items():
        text = f"{meaning} (default: 1)"
        parser.add_argument(option, type=_count, default=1, metavar="N", help=text)
    text = "run everything on these cores, such as 0, 0,2 or 0-3 (default: any)"
    parser.add_argument("--pin", default="", metavar="CORES", help=text)
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text!r}")
    return int(text)


def serve(options: argparse.Namespace, folder: Path) -> None:
    """Serve the room until interrupted. RuntimeError if a process exits before."""
    arrangement = Arrangement(
        server=options.server,
        servers=options.servers,
        workers=options.workers,
        threads=options.threads,
        cores=parse_cores(options.pin) if options.pin else ANY,
    )
    with Site(find_room(options.name), arrangement, folder) as site:
        print(json.dumps(site.as_dict()), flush=True)
        try:
            wait_for_end(site)
        finally:
            site.stop()


def wait_for_end(site: Site) -> None:
    """Wait for ever. RuntimeError when a process of *site* exits by itself."""
    pause = threading.Event()
    while not (ended := site.ended()):
        pause.wait(0.2)
    raise RuntimeError(f"A process ended by itself. {ended[0].describe()}")


def main() -> int:
    """Serve, and return the exit status."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        try:
            with interruptible():
                serve(options, Path(folder))
        except KeyboardInterrupt:
            return 0
        except (ValueError, RuntimeError, AssertionError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
