"""The registrations of this process in Redis: its server, and its worker."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

from channels_workers.layers.redis.client import Client
from channels_workers.layers.redis.lifeline import Lifeline
from channels_workers.layers.redis.requests import Request
from channels_workers.layers.redis.resp import Arguments
from channels_workers.layers.types import Liveness, ProcessInfo, new_id

#: How long all processes have to register again after a loss of data (s). Publishes, sends and
#: commits wait meanwhile.
RECOVERY_TIME = 3.0


class Registration:
    """The registration of *process* in *epoch*, one life of the data in Redis; no I/O.

    *about* is what the process has published about itself, as JSON.
    """

    def __init__(self, process: str, epoch: str, about: str = "") -> None:
        self.process = process
        self.epoch = epoch
        self.about = about
        self.counter = 1
        self._is_described = True  # Redis still has *about*
        self._recovering = b""  # the epoch of a recovery
        self._since = 0.0  # when that was first seen (monotonic seconds)
        self._returning: tuple[str, int] | None = None  # with what it heartbeats meanwhile

    @property
    def is_recovering(self) -> bool:
        """Whether the last heartbeat found that all processes register again."""
        return self._recovering != b""

    def heartbeat(self, position: str = "", ended: Sequence[str] = ()) -> Request:
        """Return the request of a heartbeat.

        *position* is the last entry read from the inbox, *ended* are connections that have ended.
        """
        known: Arguments = [self.process, position, self.epoch, self.counter, new_id(), *ended]
        return Request("heartbeat", known, ordered=False)

    def read(self, reply: list[Any], now: float) -> Liveness:
        """Return the result of a heartbeat."""
        liveness = Liveness(reply[0].decode())
        if liveness is Liveness.ALIVE:
            self.counter = int(reply[1])
            self._see(reply[2], now)
            self._is_described = bool(reply[3])
        elif liveness is Liveness.LOST:
            self._see(reply[1], now)
        return liveness

    def beat(self) -> Request:
        """Return the request that raises the counter, and does nothing else; for any thread."""
        known = self._returning or (self.epoch, self.counter)
        return Request("beat", [self.process, *known], ordered=False)

    def begin_to_return(self, epoch: str) -> None:
        """Note that the process is registered in *epoch*, and its connections are not yet."""
        self._returning = epoch, 1

    def begin_again(self, epoch: str) -> None:
        """Note that the process was registered again."""
        self.epoch, self.counter, self._returning = epoch, 1, None

    def _see(self, recovering: bytes, now: float) -> None:
        if recovering != self._recovering:
            self._recovering, self._since = recovering, now

    def follow_up(self, now: float) -> Iterator[Request]:
        """Yield the requests that follow a heartbeat.

        One ends a recovery whose time is over. One publishes again what the process says about
        itself, if Redis has lost it.
        """
        if self._recovering and now - self._since >= RECOVERY_TIME:
            yield Request("recovered", [self._recovering], ordered=False)
        if not self._is_described and self.about:
            yield Request("describe", [self.process, self.about], ordered=False)


class Registrations:
    """The registrations of this process by id; its methods block."""

    def __init__(self, client: Client, has_lifeline: bool) -> None:
        self.client = client
        self.lifeline = Lifeline(client, has_lifeline)
        self._by_process: dict[str, Registration] = {}
        #: The name of the worker of this process, "" without one.
        self.worker = ""

    def begin_in_child(self) -> None:
        """Forget the registrations, which are those of the parent."""
        self.lifeline = self.lifeline.begin_in_child()
        self._by_process, self.worker = {}, ""

    def register(self, process: str, about: ProcessInfo) -> Registration:
        """Register *process*, after a check of the server behind the layer."""
        self.client.check_server()
        self.client.claim_format()
        with self.client.explained():
            self.client.load_scripts("commit")  # the first commit of a worker would wait for it
        text = json.dumps(about._asdict())
        epoch = self.client.call(Request("register", [process, text, new_id()])).decode()
        self._by_process[process] = Registration(process, epoch, text)
        if about.kind == "worker":
            self.worker = process
        self.client.note_epoch(epoch)
        self.lifeline.hold(process)
        return self._by_process[process]

    def describe(self, process: str, about: ProcessInfo) -> None:
        """Publish anew what *process* says about itself."""
        registration = self._by_process.get(process)
        if registration is not None:
            registration.about = json.dumps(about._asdict())
            self.client.call(Request("describe", [process, registration.about]))

    def heartbeat(self, process: str) -> Liveness:
        """Raise the counter of *process*; end a recovery whose time is over."""
        registration = self._by_process.get(process)
        if registration is None:
            return Liveness.LOST
        reply = self.client.call(registration.heartbeat())
        liveness = registration.read(reply, time.monotonic())
        if liveness is not Liveness.ALIVE:  # it goes on under another name
            self.lifeline.release(process)
        for request in registration.follow_up(time.monotonic()):
            self.client.call(request)
        return liveness

    def retire(self, process: str, consumers: Sequence[str], channels: Sequence[str]) -> None:
        """End *process*, unless one of *consumers* still holds a delivery."""
        arguments: Arguments = [process]
        for consumer in consumers:
            for channel in channels:
                arguments += (channel, consumer)
        if not self.client.call(Request("retire", arguments)):
            self.lifeline.release(process)
        self._by_process.pop(process, None)
