"""``manage.py runserver``: Daphne and workers in one process, for development."""

from __future__ import annotations

import math
import os
import socket
from typing import Any

from daphne.management.commands.runserver import Command as DaphneCommand
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, CommandParser

from channels_workers import exporter
from channels_workers.conf import configuration
from channels_workers.handler import ViewConsumer
from channels_workers.registry import get_channel_layer
from channels_workers.worker.group import WorkerGroup, worker_router

#: As many as 1.x started.
THREADS = 4


class Command(DaphneCommand):  # type: ignore[misc]
    """Daphne's ``runserver`` with worker threads beside it."""

    help = "Runs Daphne and workers in one process, for development."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take Daphne's options and ``--noworker``."""
        super().add_arguments(parser)
        parser.add_argument(
            "--noworker",
            action="store_false",
            dest="run_worker",
            help="Do not run workers; you will need to start `manage.py runworker` yourself.",
        )

        # Daphne would cut the connection of a handshake that waits for a worker, without an answer.
        parser.set_defaults(
            websocket_handshake_timeout=math.ceil(configuration().HANDSHAKE_TIMEOUT) + 5
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuse to serve nothing: where the app daphne is not installed, no check does so."""
        if options["use_asgi"] and not getattr(settings, "ASGI_APPLICATION", None):
            raise CommandError(
                "ASGI_APPLICATION is missing. `runserver` needs the dotted path of "
                'application = get_application(), such as "mysite.asgi.application".'
            )
        super().handle(*args, **options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Run the workers, and the server beside them."""
        if not options["run_worker"] or not options.get("use_asgi", True):
            super().inner_run(*args, **options)
            return
        self.check_port()
        exporter.record()
        threads = THREADS if options["use_threading"] else 1
        # Daphne's command serves static files in front of the workers, unless it must not.
        views = None if options.get("use_static_handler", True) else ViewConsumer()
        try:
            layer = get_channel_layer()
            router = worker_router(views)
        except ImproperlyConfigured:
            self.check()  # which tells it shorter, with the cure
            raise
        workers = WorkerGroup(layer, n_threads=threads, router=router)
        workers.start()
        self.stdout.write(f"Workers: {threads} threads on {layer}")
        try:
            super().inner_run(*args, **options)
        finally:
            workers.stop()
            workers.join()

    def check_port(self) -> None:
        """End the process if its port is in use: Daphne only logs this, and goes on or hangs."""
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.addr, int(self.port)))
            except OSError as error:
                self.stderr.write(f"Cannot listen on {self.addr}:{self.port}: {error.strerror}")
                self.stderr.flush()
                os._exit(1)  # as in Django's own command: this may be the reloader's thread
