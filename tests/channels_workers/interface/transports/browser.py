"""A client of fallback transports, as an ASGI server shows it to the interface application."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from channels_workers.interface.application import Interface

TIMEOUT = 60

Event = dict[str, Any]


class Asked:
    """One request under way, whose body may not be whole. `leave()` cuts it."""

    def __init__(
        self,
        application: Interface,
        path: str,
        verb: str | None,
        content: object,
        headers: Iterable[tuple[bytes, bytes]] = (),
        *,
        kind: str = "application/json",
        method: str = "POST",
        client: str = "127.0.0.9",
        is_whole: bool = True,
    ) -> None:
        self.events: list[Event] = []
        self.changed = asyncio.Condition()
        self.incoming: asyncio.Queue[Event] = asyncio.Queue()
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.incoming.put_nowait({"type": "http.request", "body": body, "more_body": not is_whole})
        own = [(b"content-type", kind.encode())] if kind else []
        own += [(b"channels-workers-transport", verb.encode())] if verb is not None else []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"a=b",
            "scheme": "http",
            "headers": [(b"host", b"testserver"), *own, *headers],
            "client": [client, 1],
        }
        self.task = asyncio.ensure_future(application(scope, self.incoming.get, self.take))

    async def take(self, event: Event) -> None:
        self.events.append(event)
        async with self.changed:
            self.changed.notify_all()

    def leave(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(TIMEOUT), self.changed:
            await self.changed.wait_for(condition)

    async def answer(self) -> tuple[int, Any]:
        """Status and content, once all of it has come."""
        await asyncio.wait_for(self.task, TIMEOUT)
        is_json = self.headers.get(b"content-type") == b"application/json"
        return self.events[0]["status"], json.loads(self.body) if is_json else self.body

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.events[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.events[1:])

    @property
    def batches(self) -> list[Any]:
        """The data of the events of a stream."""
        lines = self.body.decode().split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


class Browser:
    """One socket over HTTP; each request goes to the next of the applications."""

    def __init__(
        self, *applications: Interface, path: str = "/room/", client: str = "127.0.0.9"
    ) -> None:
        self.applications = applications
        self.path = path
        self.client = client
        self.turn = 0
        self.id = ""
        self.sent = self.after = 0

    def begin(
        self, verb: str, content: object, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Asked:
        application = self.applications[self.turn % len(self.applications)]
        self.turn += 1
        return Asked(application, self.path, verb, content, headers, client=self.client)

    def ask(
        self, verb: str, content: object, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> Awaitable[tuple[int, Any]]:
        return self.begin(verb, content, headers).answer()

    async def open(self, *protocols: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> "Browser":
        status, content = await self.ask("open", {"protocols": protocols}, headers)
        assert status == 200, (status, content)
        self.id = content["id"]
        return self

    async def send(self, *frames: object) -> int:
        content = {"id": self.id, "first": self.sent + 1, "frames": frames, "ack": self.after}
        status, told = await self.ask("send", content)
        assert status == 200, (status, told)
        self.sent = told["received"]
        return self.sent

    def polling(self) -> Asked:
        return self.begin("receive", {"id": self.id, "after": self.after, "by": "poll"})

    def streaming(self) -> Asked:
        return self.begin("receive", {"id": self.id, "after": self.after, "by": "sse"})

    async def poll(self) -> Any:
        status, content = await self.polling().answer()
        assert status == 200, (status, content)
        assert content["first"] == self.after + 1
        self.after += len(content["frames"])
        return content

    async def texts(self, count: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < count:
            found += (await self.poll())["frames"]
        return found

    def close(self, code: int = 1000) -> Awaitable[tuple[int, Any]]:
        return self.ask("close", {"id": self.id, "code": code})
