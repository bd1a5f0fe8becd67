"""A proxy in front of Redis that cuts connections after a command ran, before its reply."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

from labs.harness.commands import run

#: The kinds of commands whose replies can be lost.
KINDS = ("publish", "commit", "pull")

#: The beginning of a reply to a pull with a message. Other replies have none.
MESSAGE = re.compile(rb"(?:^|(?<=\r\n))\*1\r\n")

SHAS = (
    "from channels_workers.layers.redis.scripts import script;"
    "print(script('publish').sha, script('commit').sha)"
)


def find_marks(engine: Path) -> dict[str, bytes]:
    """Return the bytes that identify each kind of command. Scripts are identified by hash."""
    said = run(sys.executable, "-c", SHAS, cwd=engine, env={"PYTHONPATH": str(engine)})
    publish, commit = said.split()
    return {"publish": publish, "commit": commit, "pull": b"XREADGROUP"}


class Proxy:
    """Listens on *port* for Redis on *target*, in a thread of its own.

    :meth:`arm` sets how many replies are lost of each kind of command. *cuts* counts lost ones.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.marks: dict[str, bytes] = {}
        self.port = 0
        self.cuts: Counter[str] = Counter()
        self._armed: Counter[str] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_shut = False
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self, engine: Path) -> None:
        """Listen, for processes with the engine in that folder."""
        self.marks = find_marks(engine)
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        """Stop, and close all connections."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def arm(self, kind: str, count: int) -> None:
        """Lose the next *count* replies to commands of this *kind*."""
        self._loop.call_soon_threadsafe(self._armed.update, {kind: count})

    def cut(self) -> None:
        """Close all connections, on both sides. New ones are taken."""
        self._loop.call_soon_threadsafe(self._cut)

    def shut(self) -> None:
        """Close all connections, and each new one at once, until :meth:`open`."""
        self._is_shut = True
        self.cut()

    def open(self) -> None:
        """Take connections again."""
        self._is_shut = False

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            writer.transport.abort()
            return
        with suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers |= {writer, back}
            line = Line(self)
            ways = [
                asyncio.create_task(line.ask(reader, back)),
                asyncio.create_task(line.answer(there, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            back.close()
            self._writers -= {writer, back}
        writer.close()

    def takes(self, kind: str) -> bool:
        """Whether to lose a reply to a command of this kind. Counts it."""
        if self._armed[kind] <= 0:
            return False
        self._armed[kind] -= 1
        self.cuts[kind] += 1
        return True


class Line:
    """One connection. *kinds* are the latest commands whose replies can be lost.

    A worker sends a commit and its next pull together, and gets two replies in sequence.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.kinds: list[str] = []

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward requests, and record their kinds."""
        with suppress(OSError):
            while data := await reader.read(2**16):
                self.kinds = [kind for kind, mark in self.proxy.marks.items() if mark in data]
                writer.write(data)
                await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward replies, until one is to be lost."""
        with suppress(OSError):
            while data := await reader.read(2**16):
                end = self.end_of(data)
                writer.write(data[:end])
                await writer.drain()
                if end is not None:
                    return

    def end_of(self, data: bytes) -> int | None:
        """Return the offset in *data* of the first reply to lose, or None."""
        if self.kinds and self.kinds[0] != "pull" and self.proxy.takes(self.kinds.pop(0)):
            return 0
        found = MESSAGE.search(data) if "pull" in self.kinds else None
        if found is None or not self.proxy.takes("pull"):
            return None
        return found.start()
