"""``manage.py runworker``: a process that runs consumers."""

from __future__ import annotations

import argparse
import os
import signal
from types import FrameType
from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser
from django.core.management.base import SystemCheckError

from channels_workers.checks import check_worker
from channels_workers.layers.operations import (
    Delivery,
)
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer
from channels_workers.signals import worker_process_ready
from channels_workers.worker import WorkerGroup


class Command(BaseCommand):
    """Run consumers until SIGTERM or SIGINT; then finish what is under way."""

    help = "Runs consumers: pulls messages from the channel layer until SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the options of 1.1.8."""
        parser.add_argument(
            "--layer",
            default=DEFAULT_CHANNEL_LAYER,
            help="Channel layer alias to use, if not the default.",
        )
        parser.add_argument(
            "--only-channels",
            action="append",
            metavar="GLOB",
            help="Listen only to these channels (may be given several times).",
        )
        parser.add_argument(
            "--exclude-channels",
            action="append",
            metavar="GLOB",
            help="Do not listen to these channels (may be given several times).",
        )
        parser.add_argument(
            "--threads",
            type=_at_least_one,
            default=1,
            help="Number of consumers that run at once in this process (default: 1).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the workers; CommandError if they cannot start."""
        layer = get_channel_layer(options["layer"])
        if problems := check_worker(options["layer"]):
            raise SystemCheckError("\n".join(map(str, problems)))
        try:
            group = WorkerGroup(
                layer,
                n_threads=options["threads"],
                only_channels=options["only_channels"],
                exclude_channels=options["exclude_channels"],
                callback=self.log_delivery if options["verbosity"] > 1 else None,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.run(group)

    def run(self, group: WorkerGroup) -> None:
        """Run *group* until a signal comes."""
        signalled = watch_signals()
        self.stdout.write(
            f"Worker {group.process}: {len(group.workers)} thread(s) on {group.channel_layer}, "
            f"listening on channels {', '.join(group.channels)}"
        )
        self.stdout.flush()
        worker_process_ready.send(sender=group)
        group.start()
        os.read(signalled, 1)
        self.stdout.write("Stopping: the messages under way are finished first")
        group.stop()
        finished = group.join()
        self.stdout.write("Worker stopped" if finished else "Worker stopped, not all finished")

    def log_delivery(self, delivery: Delivery) -> None:
        """Say which message a worker runs."""
        self.stdout.write(f"{delivery.channel} {delivery.id}")


def watch_signals() -> int:
    """Return a file descriptor that gets a byte with the first SIGTERM or SIGINT.

    A second one ends the process at once. (The handler may interrupt anything, so it takes no
    lock and writes to no stream.)
    """
    reader, writer = os.pipe()

    def note(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.write(writer, b"!")

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    return reader


def _at_least_one(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text!r}")
    return number
