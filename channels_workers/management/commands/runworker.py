"""``manage.py runworker``: runs consumers."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError, CommandParser

from channels_workers.checks.configuration import check_worker
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.types import (
    Delivery,
)
from channels_workers.logs import fields
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer
from channels_workers.signals import worker_process_ready
from channels_workers.worker.group import WorkerGroup

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)

#: How long the process may take to exit after the worker has stopped (s).
EXIT_TIME = 1.0


class StopSignals:
    """Waits for SIGTERM or SIGINT; a second one ends the process at once.

    Python writes the number of each signal into a file descriptor as it arrives. A handler in
    Python would run too late if the main thread were in a system call.
    """

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self._previous = {each: signal.signal(each, self._note) for each in SIGNALS}
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._masks = threading.local()
        os.register_at_fork(
            before=self._hold_back,
            after_in_parent=self._let_through,
            after_in_child=self._begin_in_child,
        )

    def _note(self, number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def _hold_back(self) -> None:
        # A signal to a child that still has the descriptor would be read in this process.
        self._masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def _let_through(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.before)

    def _begin_in_child(self) -> None:
        """Restore the handlers: signals to the child of a consumer are not for this worker."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._let_through()

    def wait(self) -> None:
        """Wait until SIGTERM or SIGINT comes."""
        while os.read(self.reader, 1)[0] not in SIGNALS:
            pass


class Command(BaseCommand):
    """Run consumers until SIGTERM or SIGINT; then finish the running ones."""

    help = "Runs consumers: pulls messages from the channel layer until SIGTERM or SIGINT."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of 1.1.8."""
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

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command; end the process after it, even if threads still run."""
        super().run_from_argv(argv)
        Duty("end of the process", end_late).start()

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the workers; CommandError if they cannot start."""
        try:
            layer = get_channel_layer(options["layer"])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        if problems := check_worker(options["layer"]):
            texts = (f"{problem.id}: {problem.msg} {problem.hint}" for problem in problems)
            raise CommandError("\n".join(texts))
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
        signals = StopSignals()
        self.say(
            f"Worker {group.process}: {len(group.workers)} thread(s) on {group.channel_layer}, "
            f"listening on channels {', '.join(group.channels)}",
            fields("worker_starts", process_id=group.process),
        )
        worker_process_ready.send(sender=group)
        group.start()
        signals.wait()
        text = "Stopping: running consumers finish first"
        self.say(text, fields("worker_stops", process_id=group.process))
        group.stop()
        text = "Worker stopped" if group.join() else "Worker stopped, not all finished"
        self.say(text, fields("worker_stopped", process_id=group.process))

    def say(self, text: str, extra: dict[str, str | int]) -> None:
        """Log *text*, or print it if the log does not show this level."""
        if logger.isEnabledFor(logging.INFO) and logger.hasHandlers():
            logger.info(text, extra=extra)
        else:
            self.stdout.write(text)
            self.stdout.flush()

    def log_delivery(self, delivery: Delivery) -> None:
        """Print the message that a thread runs next."""
        self.stdout.write(f"{delivery.channel} {delivery.id}")


def end_late() -> None:
    """End this process if it does not exit by itself.

    Python waits without limit for threads of ``asyncio.to_thread()`` and ``sync_to_async()``.
    """
    time.sleep(EXIT_TIME)
    threads = threading.enumerate()
    names = ", ".join(each.name for each in threads if not each.daemon and each.is_alive())
    text = "The process ends although threads of consumers still run: %s"
    logger.error(text, names, extra=fields("stop_failed"))
    logging.shutdown()
    os._exit(0)


def _at_least_one(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text!r}")
    return number
