"""Prints the engine's calls for one frame that goes to two sockets, hop by hop."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.conf import settings

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.layers.redis import RedisChannelLayer
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.walk.recorder import Call
from labs.walk.report import as_markdown, as_text, write_into
from labs.walk.walk import walk

PAGE = ROOT / "docs" / "project" / "developing.md"

LAYERS = ("memory", "Redis")


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m labs.walk", description=__doc__)
    parser.add_argument("--layer", action="append", choices=LAYERS, help="only this one")
    parser.add_argument(
        "--markdown",
        type=Path,
        nargs="?",
        const=PAGE,
        metavar="PAGE",
        help="write it between the markers of this page, by default docs/project/developing.md",
    )
    return parser.parse_args()


@contextmanager
def layer_of(kind: str) -> Iterator[Callable[[], WorkerLayer]]:
    """Yield a function that creates a process's layer. Redis runs during the block."""
    if kind == "memory":
        layer = InMemoryChannelLayer()
        yield lambda: layer
        return
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield lambda: RedisChannelLayer(hosts=[server.url])
        finally:
            server.stop()


def walk_on(kind: str) -> list[Call]:
    """Return the walk of a frame on a layer of that kind."""
    with layer_of(kind) as make_layer:
        return asyncio.run(walk(make_layer))


def main() -> int:
    """Walk, print, and return the exit status."""
    options = parse()
    settings.configure(INSTALLED_APPS=["channels_workers"], USE_TZ=True)
    django.setup()
    walks = {kind: walk_on(kind) for kind in options.layer or LAYERS}
    print(as_text(walks))
    if options.markdown:
        write_into(options.markdown, as_markdown(walks))
    return 0


if __name__ == "__main__":
    sys.exit(main())
