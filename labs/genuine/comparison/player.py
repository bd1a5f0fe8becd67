"""Plays conversations on one site."""

from __future__ import annotations

from typing import Self

from redis.asyncio import Redis

from labs.genuine.comparison.bodies import filler, form_with_file
from labs.genuine.comparison.client import Client
from labs.genuine.comparison.quiet import Ear, GenuineEar, OurEar, Traffic, wait_for_quiet
from labs.genuine.comparison.requests import Asked
from labs.genuine.comparison.site import Site
from labs.genuine.comparison.steps import (
    Binary,
    Burst,
    Close,
    Connect,
    Conversation,
    Get,
    Leave,
    Post,
    Put,
    Request,
    Step,
    Text,
    Upload,
    Wait,
)
from labs.genuine.comparison.transcript import Moment, Transcript


class Player:
    """Knows the clients of *site*, whose worker has *threads*. Uses one event loop."""

    def __init__(self, site: Site, threads: int = 1) -> None:
        self.site = site
        self.clients: dict[str, Client] = {}
        self.redis = Redis(host="127.0.0.1", port=site.redis.port)
        listen = OurEar if site.engine.rewritten else GenuineEar
        self.ear: Ear = listen(self.redis, threads)
        self._handshakes = 0
        self._live_before: set[str] = set()

    async def __aenter__(self) -> Self:
        """Wait until the worker waits for messages."""
        await wait_for_quiet(self.ear, self.traffic)
        return self

    async def __aexit__(self, *error: object) -> None:
        for client in self.clients.values():
            await client.abandon()
            await client.leave()
            await client.close()
        await self.redis.aclose()

    async def play(self, conversation: Conversation) -> Transcript:
        """Play *conversation* from an empty state. Ends all sockets and requests at its end."""
        transcript = Transcript()
        for step in conversation:
            transcript.moments.append(await self.take(step))
        for name, client in sorted(self.clients.items()):
            if client.is_live:
                transcript.moments.append(await self.take(Close(name)))
            if client.is_waiting:
                transcript.moments.append(await self.take(Leave(name)))
        transcript.rows = self.site.database.rows(self.site.application.tables)
        await self.forget()
        return transcript

    async def forget(self) -> None:
        """Restore the initial state."""
        self.clients.clear()
        self.site.database.restore()
        if not self.site.engine.rewritten:
            # Groups keep members that left without a discard, and nobody reads http.disconnect.
            await self.redis.flushdb()

    async def take(self, step: Step) -> Moment:
        """Take *step*, wait until the engine is idle, and return everybody's events."""
        client = self.clients.setdefault(step.client, Client(self.site.port))
        self._live_before = {name for name, known in self.clients.items() if known.is_live}
        self._handshakes = 0
        await self.ear.begin()
        await self._act(client, step)
        if (await self.settle()).connecting:
            await client.wait_for_answer()
            await client.abandon()
            await self.settle()
        return Moment(step, self._take_events())

    def _take_events(self) -> dict[str, list[str]]:
        taken = {name: client.take_events() for name, client in self.clients.items()}
        return {name: events for name, events in taken.items() if events}

    async def _act(self, client: Client, step: Step) -> None:
        match step:
            case Request() | Upload() | Put():
                await client.ask(asked(step))
            case Wait(path=path):
                client.begin_to_wait(path)
            case Leave():
                await client.leave()
            case _:
                await self._act_as_browser(client, step)

    async def _act_as_browser(self, client: Client, step: Step) -> None:
        match step:
            case Get(path=path):
                await client.request(path)
            case Post(path=path, form=form):
                await client.request(path, form)
            case Connect(path=path, headers=headers, subprotocols=subprotocols):
                if not client.is_live:
                    self._handshakes = 1
                    self._live_before.add(step.client)
                    client.begin_to_connect(path, headers, subprotocols)
            case Close(code=code):
                await client.close(code)
            case Text(text=frame) | Binary(data=frame):
                await client.send(frame)
            case Burst(texts=frames):
                await client.send(*frames)

    # Quiet

    @property
    def live(self) -> set[str]:
        """The clients with a socket or a pending handshake."""
        return {name for name, client in self.clients.items() if client.is_live}

    def traffic(self) -> Traffic:
        """Return what clients have done."""
        live = self.live
        return Traffic(
            handshakes=self._handshakes,
            ended=len(self._live_before - live),
            live=len(live),
            connecting=sum(self.clients[name].is_connecting for name in live),
            frames=sum(self.clients[name].frames_sent for name in live),
            waiting=sum(client.is_waiting for client in self.clients.values()),
        )

    async def settle(self) -> Traffic:
        """Wait until everything sent is consumed, and all replies are read.

        An event may be a close, which causes a message of its own, or the answer to a handshake,
        after which there is more to read. So it repeats until no client changes.
        """
        while True:
            await self._hear()
            traffic = await wait_for_quiet(self.ear, self.traffic)
            await self._hear()
            if self.traffic() == traffic:
                return traffic

    async def _hear(self) -> None:
        for client in self.clients.values():
            await client.hear()


def asked(step: Request | Upload | Put) -> Asked:
    """Return the request of *step*."""
    match step:
        case Upload(path=path, size=size, title=title):
            kind, body = form_with_file(size, title)
            return Asked("POST", path, (("Content-Type", kind),), body)
        case Put(path=path, size=size):
            kind = "application/octet-stream"
            return Asked("PUT", path, (("Content-Type", kind),), filler(size))
        case Request(path=path, method=method, headers=headers, body=body):
            return Asked(method, path, headers, body)
