"""Puts load on a room, and prints measurements and counts as one line of JSON.

rtt1, rtt50: clients in a room each, with one message in flight each.
bc100, bc1000: clients in one room. One of them sends the next message when all have the previous.
connect: 1,000 handshakes, 50 at a time. With --watch, the memory of an idle socket.
flood: one client sends 2,000 messages without waiting.
get1, get50: clients request /page/, one request in flight each; get1 with a pause of 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from urllib.parse import urlsplit

from labs.benchmarks.load.mode import Target
from labs.benchmarks.load.modes import MODES, AnyMode, adapt
from labs.benchmarks.load.protocols import PROTOCOLS
from labs.benchmarks.serving.site import raise_file_limit

#: The options, with their types and descriptions.
OPTIONS: dict[str, tuple[type, str]] = {
    "clients": (int, "number of sockets"),
    "rooms": (int, "number of rooms"),
    "at_once": (int, "number of rooms that talk concurrently"),
    "messages": (int, "number of messages of a flood"),
    "size": (int, "characters per message"),
    "settle": (float, "seconds of silence before the start, or before memory is measured"),
    "warmup": (float, "seconds of talk before the measurement"),
    "seconds": (float, "seconds of the measurement"),
    "patience": (float, "seconds after which a message is abandoned"),
    "pause": (float, "seconds between an answer and the next request"),
    "quiet": (float, "seconds of silence after which a flood is over"),
}


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m labs.benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("mode", choices=MODES, help="what to do")
    text = "an interface server, such as ws://127.0.0.1:8000; may be repeated"
    parser.add_argument("--url", type=_local, action="append", required=True, help=text)
    text = "a process whose memory and CPU time are measured, such as server:123; may be repeated"
    parser.add_argument("--watch", type=_watched, action="append", metavar="ROLE:PID", help=text)
    text = "the Redis whose time is measured"
    parser.add_argument("--redis", type=int, metavar="PORT", help=text)
    text = "what the sockets speak (default: plain)"
    parser.add_argument("--protocol", choices=PROTOCOLS, default="plain", help=text)
    parser.add_argument("--visit", action="store_true", help="get the page of each room first")
    for name, (kind, meaning) in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=meaning)
    return parser.parse_args()


def _local(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "ws" or parts.hostname not in ("127.0.0.1", "localhost"):
        raise argparse.ArgumentTypeError(f"must be ws://127.0.0.1:PORT, not {url!r}")
    return url.rstrip("/")


def _watched(text: str) -> tuple[str, int]:
    role, _, pid = text.partition(":")
    if not role or not pid.isdecimal():
        raise argparse.ArgumentTypeError(
            f"must be a role and an id such as server:123, not {text!r}"
        )
    return role, int(pid)


async def run(mode: AnyMode, target: Target) -> None:
    """Apply the load, and print the result."""
    report, crowd = await mode.run(target)
    print(json.dumps(report.as_dict()), flush=True)
    await crowd.leave()


def main() -> int:
    """Run, and return the exit status."""
    options = parse()
    watched: dict[str, list[int]] = {}
    for role, pid in options.watch or ():
        watched.setdefault(role, []).append(pid)
    client = PROTOCOLS[options.protocol]
    target = Target(options.url, watched, options.visit, options.redis, client)
    raise_file_limit()
    # The collector would pause all clients from time to time.
    gc.freeze()
    gc.disable()
    try:
        mode = adapt(MODES[options.mode], **{name: getattr(options, name) for name in OPTIONS})
        asyncio.run(run(mode, target))
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
