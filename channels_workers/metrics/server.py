"""Serves the metrics of this process by HTTP, in threads of its own."""

from __future__ import annotations

import logging
import socketserver
import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from channels_workers.concurrency import forks
from channels_workers.concurrency.threads import Duty
from channels_workers.logs import fields

logger = logging.getLogger(__name__)

#: How many scrapes are answered at once. Further connections are closed without an answer.
AT_ONCE = 4

#: How long a client may take to send its request, and to read the answer (s).
CLIENT_TIMEOUT = 10.0


class Handler(WSGIRequestHandler):
    """One connection. It writes no log line."""

    timeout = CLIENT_TIMEOUT

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of the base)
        """Log nothing: a line per scrape would drown the others."""


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """An HTTP server with a thread for each scrape, up to :data:`AT_ONCE`."""

    daemon_threads = True
    allow_reuse_port = False  # else two processes would share a port, and each scrape hit any

    def __init__(self, address: tuple[str, int], registry: CollectorRegistry) -> None:
        if ":" in address[0]:
            self.address_family = socketserver.socket.AF_INET6  # type: ignore[attr-defined]
        super().__init__(address, Handler)
        self.set_app(make_wsgi_app(registry))
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._thread = Duty("metrics", self.serve_forever)
        forks.renew_in_child(self)

    def start(self) -> None:
        """Serve in a daemon thread from now on."""
        self._thread.start()

    def server_bind(self) -> None:
        """Bind without looking up the name of the host, which may take long."""
        socketserver.TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if one is free."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and free the place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing about a client that left."""
        logger.debug("The scrape of %s failed", client_address, exc_info=True)

    def begin_in_child(self) -> None:
        """Close the port: a child that outlives this process must not hold it."""
        self.socket.close()

    def stop(self) -> None:
        """Close the port."""
        self.shutdown()
        self.server_close()


def start_server(host: str, ports: Iterable[int], registry: CollectorRegistry) -> Server | None:
    """Serve *registry* on the first free one of *ports* and log it; None if none is free."""
    error: OSError | None = None
    for port in ports:
        try:
            server = Server((host, port), registry)
        except OSError as raised:
            error = raised
            continue
        server.start()
        text, extra = "Metrics at http://%s:%d/metrics", fields("metrics_served")
        logger.info(text, host, server.server_port, extra=extra)
        return server
    logger.error(
        "No metrics of this process: no port of METRICS_PORT can be used on %s (%s). Give a range "
        "with a port for each process, such as '9100-9109'",
        host,
        error,
        extra=fields("metrics_not_served"),
    )
    return None
