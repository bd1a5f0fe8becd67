"""``python -m labs.harness.throng COUNT FIRST SECOND OVER`` opens sockets that come back.

COUNT sockets are opened at the port FIRST. When they are cut, they come back at the port SECOND
within OVER seconds. It prints a line when all are in, and one when all are back. SIGTERM closes
them.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter

from labs.harness.throng.comer import Comer
from labs.harness.throng.descriptors import allow_sockets

#: People in a room.
EACH = 50

#: How many open their first socket a second.
ARRIVALS = 400


class Throng:
    """*count* clients, who come back at the port *second* within *over* seconds."""

    def __init__(self, count: int, second: int, over: float) -> None:
        self.comers = [Comer(f"t{n}", f"throng{n // EACH}", self._note) for n in range(count)]
        self.second = second
        self.over = over
        self.news: Counter[str] = Counter()
        self.longest = 0.0
        self.cut_at = 0.0

    def come(self, first: int) -> None:
        """Let all open a socket at the port *first*, evenly."""
        for number, comer in enumerate(self.comers):
            comer.port = first
            comer.come_in(number / ARRIVALS)

    def _note(self, comer: Comer, news: str) -> None:
        if news == "cut" and comer.port != self.second:
            self.cut_at = self.cut_at or time.monotonic()
            comer.port = self.second
            comer.come_in(random.uniform(0, self.over))
            return
        self.news[news] += 1
        self.longest = max(self.longest, comer.waited)
        if news == "cut":
            comer.come_in(1)
        elif news == "in" and all(each.is_in for each in self.comers):
            self._tell()

    def _tell(self) -> None:
        if self.cut_at:
            seconds = time.monotonic() - self.cut_at
            told = {"seconds": seconds, "longest": self.longest, "news": self.news}
            print(f"The throng is back: {json.dumps(told)}", flush=True)
        else:
            print("The throng is in.", flush=True)
        self.news.clear()
        self.longest = 0.0

    def tell_cuts(self) -> None:
        """Print how many were cut after all were back."""
        print(f"The throng leaves: {json.dumps(self.news)}", flush=True)


async def main(count: int, first: int, second: int, over: float) -> None:
    """Run until SIGTERM."""
    throng = Throng(count, second, over)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    throng.come(first)
    await ended.wait()
    throng.tell_cuts()
    for comer in throng.comers:
        comer.leave()
    await asyncio.sleep(0.5)


if __name__ == "__main__":
    allow_sockets(int(sys.argv[1]))
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
