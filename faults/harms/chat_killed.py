"""The real chat, whose workers are killed one after the other."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults.chat_site import ChatSite
from faults.chatter import Chatter
from faults.fault import Alone
from faults.row import Limits, Row
from faults.site import Site
from faults.size import Size
from tests.processes.server import Server
from tests.processes.waiting import wait_for

ROOMS, EACH, PAUSE = 4, 5, 0.2


class ChatKilled(Alone):
    """Each row is stored once, and each that is stored reaches its room, once and in order."""

    name = "chat-killed"
    description = "kill -9 of two workers of the real chat, one after the other"
    limits = Limits(seconds=None)

    def site(self, folder: Path, engine: Path) -> ChatSite:
        """Run the chat."""
        return ChatSite(folder, self.setting(folder), engine)

    def play(self, size: Size, site: Site, row: Row) -> None:
        """Let people talk, kill workers, compare what they heard with the database."""
        assert isinstance(site, ChatSite)  # noqa: S101  (see above)
        chatters = self.invite(site, int(size.choose(150, 50)))
        enough, everybody = time.monotonic() + 120, threading.Barrier(len(chatters))
        whole = chatters[0].count * EACH

        def is_enough() -> bool:
            done = all(len(chatter.heard) >= whole for chatter in chatters)
            return done or time.monotonic() > enough

        with ThreadPoolExecutor(len(chatters)) as pool:
            living = [pool.submit(chatter.live, everybody, is_enough) for chatter in chatters]
            self.kill(site, chatters, whole)
            for future in living:
                future.result()
        self.compare(site, chatters, row)

    def invite(self, site: ChatSite, count: int) -> list[Chatter]:
        """Return people for all rooms, on both servers."""
        servers = [Server(server.port, server.process) for server in site.servers]
        return [
            Chatter(servers[seat % 2], f"room{room}", f"r{room}s{seat}", count, PAUSE)
            for room in range(ROOMS)
            for seat in range(EACH)
        ]

    def kill(self, site: ChatSite, chatters: list[Chatter], whole: int) -> None:
        """Kill two workers, when a fifth and two fifths were heard, and replace them."""
        for turn in (1, 2):
            wait_for(
                lambda turn=turn: len(chatters[0].heard) > turn * whole // 5,  # type: ignore[misc]
                "some messages",
                60,
            )
            site.workers[0].signal(signal.SIGKILL)
            site.workers[0].wait()
            site.restart_dead_workers()

    def compare(self, site: ChatSite, chatters: list[Chatter], row: Row) -> None:
        """Count what differs."""
        said = {nonce for chatter in chatters for nonce in chatter.nonces}
        stored = Counter(nonce for _, nonce in site.rows())
        row.said, row.dropped = len(said), sum(chatter.dropped for chatter in chatters)
        row.add("lost", sorted(f"{nonce} was not stored" for nonce in said - set(stored)))
        row.add("twice", [f"{nonce} was stored again" for nonce in stored if stored[nonce] > 1])
        for chatter in chatters:
            of_room = {nonce for room, nonce in site.rows() if room == chatter.room}
            heard = Counter(chatter.heard)
            missed = sorted(of_room - set(heard))
            row.add("lost", [f"{nonce} was not heard by {chatter.name}" for nonce in missed])
            again = [nonce for nonce in heard if heard[nonce] > 1]
            row.add("twice", [f"{nonce} was heard again by {chatter.name}" for nonce in again])
            for other in chatters:
                own = [nonce for nonce in chatter.heard if nonce in set(other.nonces)]
                if own != sorted(own, key=lambda nonce: int(nonce.partition("-")[2])):
                    row.add("disordered", [f"{other.name} as heard by {chatter.name}"])
