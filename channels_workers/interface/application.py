"""The interface server: an ASGI 3 application that holds the sockets and runs no consumer."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

from channels_workers import exporter, recorder
from channels_workers.bearer.redaction import redact_lines
from channels_workers.conf import configuration
from channels_workers.exceptions import LayerUnavailable
from channels_workers.interface import gc_tuning
from channels_workers.interface.client_address import LimitPerAddress, with_client
from channels_workers.interface.cookies import with_readable_cookies
from channels_workers.interface.descriptors import OpenFiles
from channels_workers.interface.handshake_refusals import postpone, refuse_address
from channels_workers.interface.health import Health
from channels_workers.interface.http.by_workers import ByWorkers
from channels_workers.interface.http.exchanges import Exchanges
from channels_workers.interface.http.gate import HttpGate
from channels_workers.interface.http.request import Request
from channels_workers.interface.http.responses import Answers
from channels_workers.interface.readings import Reading, of_inbox, of_requests, of_sockets
from channels_workers.interface.resume.keeper import Resumables
from channels_workers.interface.resume.offers import offer_of, with_offer
from channels_workers.interface.resume.socket import Attachment
from channels_workers.interface.script_name import mounted
from channels_workers.interface.servers.daphne import requests as daphne_requests
from channels_workers.interface.servers.daphne import server as daphne
from channels_workers.interface.servers.daphne.access_log import redact_access_log
from channels_workers.interface.servers.uvicorn import heads as uvicorn_heads
from channels_workers.interface.servers.uvicorn import server as uvicorn
from channels_workers.interface.shutdown import Shutdown
from channels_workers.interface.socket import Socket, Sockets
from channels_workers.interface.tokens import protocol_for, with_token
from channels_workers.interface.traffic import (
    FAILED,
    LIMITED,
    POSTPONED,
    REFUSED,
    Commits,
    Traffic,
)
from channels_workers.interface.transports.server import Transports
from channels_workers.interface.types import Application, Receive, Scope, Send
from channels_workers.layers.base import WorkerLayer
from channels_workers.log_limits import limit_lines
from channels_workers.logs import described, fields

logger = logging.getLogger(__name__)

#: How long a stopping server waits for the layer to take the end of its sockets (s).
DRAIN_TIMEOUT = 5.0

#: How often it checks whether frames of closed sockets still wait for workers (s).
LOOK_INTERVAL = 0.05

#: How long it waits for clients to answer its close frames, before it drops their connections (s).
CLOSE_TIMEOUT = 2.0

#: How long it waits, at most, for clients of closed sockets to resume elsewhere (s).
LONGEST_RETURN = 5.0

#: How long it waits for workers to answer requests, before it answers them itself (s). So there is
#: time to tell the layer within DRAIN_TIMEOUT.
REQUESTS_TIMEOUT = 4.0


class Interface:
    """Sockets go to workers by *layer*. HTTP goes to the ASGI application *http*, or to workers."""

    def __init__(self, http: Application, layer: Callable[[], WorkerLayer]) -> None:
        daphne.fold_lines()
        uvicorn.fold_lines()
        redact_lines()
        redact_access_log()
        answers = Answers()
        self.get_layer = layer
        found = recorder.instruments()
        self.instruments = None if found is None else found.interface
        self.exchanges = Exchanges(self.instruments)
        self.by_workers = ByWorkers(layer, self._join, answers, self.exchanges)
        self.http = HttpGate(http, self.by_workers, answers, self.exchanges)
        self.traffic = Traffic(self.instruments, Commits(layer))
        self.sockets = Sockets(self.traffic)
        self.resumables = Resumables(layer, self.sockets)
        self.limited_websocket = LimitPerAddress(self.websocket, refuse=self._refuse_socket)
        self.limited_http = LimitPerAddress(
            self.http, "REQUESTS_PER_ADDRESS", "requests under way", self.http.refuse_address
        )
        self.transports = Transports(self.limited_websocket, layer, self.http, answers)
        self.open_files = OpenFiles()
        self.stopping = False
        self.health = Health(layer, lambda: self.stopping)
        self._served: set[Socket | Attachment] = set()  # those whose clients have not left
        self._shutdown = Shutdown(self._stop_upon)
        self._is_ready = False
        self._announcing: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        daphne_requests.judge_requests(self.http.bodies)
        limit_lines()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; ValueError for an unknown type of scope."""
        if not self._shutdown.is_installed and scope["type"] != "lifespan":
            self._shutdown.install()
            if uvicorn.is_of_uvicorn(send) and not self._is_ready:
                uvicorn_heads.tell_unbounded("it sends no lifespan events")
        scope = mounted(with_client(with_readable_cookies(scope)))
        match scope["type"]:
            case "websocket":
                await self.limited_websocket(scope, receive, send)
            case "http":
                if page := self.health.check_at(scope):
                    await self.http.serve(scope, receive, send, page)
                elif self.transports.takes(scope):
                    await self.transports(scope, receive, send)
                else:
                    await self.limited_http(scope, receive, send)
            case "lifespan":
                await self.lifespan(receive, send)
            case other:
                raise ValueError(
                    f"This application serves http, websocket and lifespan, not {other!r}; "
                    "route it to another application."
                )

    async def _refuse_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.traffic.handshakes[LIMITED] += 1
        await refuse_address(scope, receive, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket until its client is gone."""
        await receive()  # websocket.connect
        if not await self._admit(scope, receive, send):
            return
        try:
            with self.traffic.admission.opens():
                socket = await self._open(scope, send)
        except Exception:
            self.traffic.handshakes[FAILED] += 1
            raise
        if socket is None:
            return
        self._served.add(socket)
        socket.listen(receive)
        try:
            while not socket.broken:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    socket.end(event.get("code"))
                    return
                socket.receive(event)
        except asyncio.CancelledError:
            if not socket.broken:
                socket.abandon()
                await self.drain_ended()
                raise
        finally:
            self._served.discard(socket)
            socket.end(None)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Say whether a handshake is served; if not, it is refused."""
        handshakes = self.traffic.handshakes
        self.open_files.note(len(self.sockets.known))
        if self.stopping:  # and perhaps not in the layer any more
            handshakes[REFUSED] += 1
            await send({"type": "websocket.close", "code": 1000})
        elif seconds := self.traffic.admission.refuse():
            handshakes[POSTPONED] += 1
            await postpone(scope, receive, send, seconds)
        else:
            return True
        return False

    async def _open(self, scope: Scope, send: Send) -> Socket | Attachment | None:
        """Return what is to serve the socket; None if it is refused already."""
        self._join()
        sockets, limits = self.sockets, configuration()
        scope = with_offer(with_token(scope), limits)
        if (offer := offer_of(scope, limits)) is not None:
            return await self.resumables.open(scope, send, offer)
        protocol = protocol_for(scope, limits, sockets.episodes, sockets.backlog, self.traffic)
        socket = Socket(self.get_layer(), sockets, protocol, send)
        await socket.open()
        return socket

    def readings(self) -> list[Reading]:
        """Return what metrics read of this server; callable from any thread."""
        found = [*of_sockets(self.sockets), *of_requests(self.exchanges, self.http.places)]
        return found + list(of_inbox(self.get_layer())) if self._is_ready else found

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """Handle the server's start and end; the layer gets the end of all sockets first."""
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                uvicorn_heads.bound_heads(send)
                self.get_ready()
            else:
                await self.drain()
            await send({"type": f"{event['type']}.complete"})
            if event["type"] == "lifespan.shutdown":
                return

    def get_ready(self) -> None:
        """Register this process as a server of the layer; errors are logged.

        Call it in the event loop when the server program starts, so that the first socket need not
        wait. Otherwise the first socket does it.
        """
        try:
            self._start()
        except Exception:
            text = "The channel layer cannot be used; each socket will fail"
            logger.exception(text, extra=fields("layer_lost"))

    def _join(self) -> None:
        self._start()
        self._leaving = None

    def _start(self) -> None:
        if self._is_ready:
            return
        layer = self.get_layer()
        layer.start_server()
        self._is_ready = True
        if self.instruments is not None:
            self.instruments.watch(self)
        exporter.joined("server", layer)
        exporter.serve()
        gc_tuning.tune_gc()
        self.open_files.raise_limit()
        self._announcing = asyncio.create_task(self._announce(layer))

    async def _announce(self, layer: WorkerLayer) -> None:
        """Log at the start whether the layer answers."""
        try:
            await layer.first_attempt()
        except LayerUnavailable as error:
            if self.stopping or self._leaving is not None:
                return
            text = "%s Sockets wait for it, and are refused at the handshake time-out."
            logger.error(text, error, extra=fields("layer_lost"))
        else:
            logger.info("Sockets go to workers by %s", layer, extra=fields("server_starts"))

    async def _stop_upon(self, number: int) -> None:
        # A person who presses Ctrl-C does not want to wait; supervisors send SIGTERM.
        limits = configuration()
        await self.stop(limits.DRAIN_TIME if number == signal.SIGTERM else 0.0)

    async def stop(self, drain_time: float = 0.0) -> None:
        """Close all sockets over *drain_time* seconds, report their end to the layer, and leave it.

        It serves pages until the sockets are closed. Then it only finishes those in flight. Long
        polls and event streams end, so that their clients ask again. All this takes
        :data:`DRAIN_TIMEOUT` longer at most; tasks that are not done by then are cancelled.
        """
        self.stopping = True
        text = "This server stops: it closes %d sockets over %g s"
        count = sum(not socket.protocol.is_closed for socket in self.sockets.known)
        logger.info(text, count, drain_time, extra=fields("server_stops"))
        await self._close_one_by_one(drain_time)
        self.by_workers.stop()
        self.transports.stop()
        pages = asyncio.create_task(self.http.end())
        sockets = asyncio.create_task(self._end_sockets())
        ended, late = await asyncio.wait([pages, sockets], timeout=DRAIN_TIMEOUT)
        if pages in late:
            text = "Pages under way are not waited for any longer"
            logger.warning(text, extra=fields("pages_cut"))
        if sockets in late:
            text = "The end of %d sockets and requests is not told: the layer takes too long"
            count = len(self.sockets.known) + len(self.by_workers.known)
            logger.error(text, count, extra=fields("stop_failed"))
        for task in late:
            task.cancel()
        for task in ended:
            task.result()

    async def _close_one_by_one(self, drain_time: float) -> None:
        """Refuse the handshakes, then close the open sockets, evenly over *drain_time* seconds.

        Long polls and event streams end among them. During this time pending frames still go to
        workers, those of clients that have left too.
        """
        loop = asyncio.get_running_loop()
        opened: list[Socket | Request] = [*self.by_workers.lingering]
        opened += [socket for socket in self.sockets.known if socket.is_open]
        for socket in list(self.sockets.known):
            if socket.protocol.is_connecting:
                socket.stop()
        if not drain_time:
            return
        reason = f"retry-after: {configuration().RETURN_TIME:g}"
        began = loop.time()
        for number, each in enumerate(opened):
            if each.is_open:
                due = began + drain_time * number / len(opened)
                await asyncio.sleep(max(0.0, due - loop.time()))
            if each.is_open:  # as its client may have left meanwhile
                each.dismiss(reason)
        while self._has_frames() and loop.time() < began + drain_time:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_INTERVAL)
        await self._let_clients_resume()

    async def _let_clients_resume(self) -> None:
        """Give the clients of closed sockets time to resume elsewhere, without a gap."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(2 * configuration().RETURN_TIME + 1.0, LONGEST_RETURN)
        while self.resumables.parked and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_INTERVAL)

    def _has_frames(self) -> bool:
        return any(socket.protocol.pending.frames for socket in self.sockets.known)

    async def _end_sockets(self) -> None:
        await self._close_all()
        await self.transports.settle()
        await self.drain()

    async def _close_all(self) -> None:
        """Close the remaining sockets; drop the connections of clients that do not answer."""
        for socket in list(self.sockets.known):
            socket.stop()
        if tasks := [socket.task for socket in self._served if socket.task]:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)
        for served in self._served:
            served.outgoing.cut()

    async def drain(self) -> None:
        """Wait until the layer has the end of every socket and request; then leave it."""
        for socket in self.resumables.parked:
            socket.stop()
        await asyncio.gather(self.drain_ended(), self.by_workers.end(REQUESTS_TIMEOUT))
        await self._leave()

    async def drain_ended(self) -> None:
        """Wait until the layer has the end of all ended sockets; after the last one, leave it."""
        # Daphne cancels all applications at once, and exits when the first of them returns. So each
        # of them notes its end first, and then all wait for the same.
        await asyncio.sleep(0)
        ended = [socket for socket in self.sockets.known if socket.is_ending]
        waiting = [each for socket in ended for each in socket.unsettled()]
        if waiting:
            await asyncio.wait(waiting, timeout=DRAIN_TIMEOUT)
        if not (self.sockets.known or self.by_workers.known):
            await self._leave()

    async def _leave(self) -> None:
        if not self._is_ready:  # the layer cannot even be made, which the log says
            return
        if self._leaving is None:
            self._leaving = asyncio.create_task(self.get_layer().retire_server())
        ended, _ = await asyncio.wait([self._leaving], timeout=DRAIN_TIMEOUT)
        error = self._leaving.exception() if ended and not self._leaving.cancelled() else None
        if error is not None:
            text = "The server could not sign off from the layer: %s"
            logger.error(text, described(error), extra=fields("stop_failed"))
