"""``manage.py runworker``: runs consumers."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
import time
from collections.abc import Collection
from types import FrameType
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError, CommandParser

from channels_workers import exporter
from channels_workers.checks.configuration import check_worker
from channels_workers.concurrency.threads import Duty
from channels_workers.conf import configuration
from channels_workers.conf_values import metrics_ports
from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import Delivery
from channels_workers.logs import fields
from channels_workers.processes.changes import watch_code
from channels_workers.processes.cores import usable_cores
from channels_workers.processes.handover import become_parent
from channels_workers.processes.parent import Parent
from channels_workers.registry import DEFAULT_CHANNEL_LAYER, get_channel_layer
from channels_workers.signals import worker_process_ready
from channels_workers.worker.group import LEAVE_TIME, WorkerGroup, filter_channels, worker_router

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)

#: How long the process may take to exit after the worker has stopped (s).
EXIT_TIME = 1.0


class StopSignals:
    """Waits for SIGTERM or SIGINT; a second one ends the process at once. It ignores *ignored*.

    Python writes the number of each signal into a file descriptor as it arrives. A handler in
    Python would run too late if the main thread were in a system call.
    """

    def __init__(self, ignored: Collection[signal.Signals] = ()) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._previous = {each: signal.signal(each, self._note) for each in SIGNALS}
        # A handler, since programs that consumers start would inherit SIG_IGN.
        self._previous |= {each: signal.signal(each, self._ignore) for each in ignored}
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._masks = threading.local()
        os.register_at_fork(
            before=self._hold_back,
            after_in_parent=self._let_through,
            after_in_child=self._begin_in_child,
        )

    def _note(self, number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    def _ignore(self, number: int, frame: FrameType | None) -> None:
        pass

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
        """Wait until SIGTERM or SIGINT comes, or :meth:`stop_waiting` is called."""
        while os.read(self.reader, 1)[0] not in SIGNALS:
            pass

    def stop_waiting(self) -> None:
        """End the wait, from any thread. The next signal is still the first one."""
        os.write(self._writer, bytes([signal.SIGTERM]))


class Command(BaseCommand):
    """Run consumers until SIGTERM or SIGINT; then finish the running ones."""

    help = "Runs consumers: pulls messages from the channel layer until SIGTERM or SIGINT."

    #: The process that has started this one with ``--processes``.
    parent: Parent | None = None
    metrics_ports = ""
    _is_program = False

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
            help="Number of consumers that run at once in each process (default: 1).",
        )
        parser.add_argument(
            "--processes",
            type=_number_of_processes,
            metavar="N",
            help="Run N worker processes, or one per usable core ('auto'), and restart those that "
            "end. SIGHUP replaces them one by one, to load new code.",
        )
        parser.add_argument(
            "--reload",
            action="store_true",
            help="For development: replace the worker processes when code changes.",
        )
        parser.add_argument(
            "--metrics-port",
            type=_ports,
            default="",
            metavar="PORT",
            help="Serve metrics for Prometheus on this port, or on the first free one of a range "
            "such as 9100-9109 (default: METRICS_PORT of CHANNEL_WORKERS).",
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command; end the process after it, even if threads still run."""
        self._is_program = True
        super().run_from_argv(argv)
        Duty("end of the process", end_late).start()

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the workers; CommandError if they cannot start."""
        self.parent = Parent.find()
        self.metrics_ports = options["metrics_port"]
        try:
            exporter.record(self.metrics_ports, options["layer"])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        layer = find_layer(options["layer"])
        try:
            if self.parent is None and (options["processes"] or options["reload"]):
                self.become_parent(options)
            group = WorkerGroup(
                layer,
                n_threads=options["threads"],
                only_channels=options["only_channels"],
                exclude_channels=options["exclude_channels"],
                callback=self.log_delivery if options["verbosity"] > 1 else None,
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["reload"] and self.parent is not None and self.parent.number == 1:
            watch_code(self.parent.tell_changed)
        self.run(group)

    def become_parent(self, options: dict[str, Any]) -> None:
        """Become the parent of processes that run this command again; ValueError if none could."""
        if not self._is_program:
            raise CommandError(
                "--processes and --reload start the command line of this process again, and it is "
                "not runworker. Start it as 'manage.py runworker', or leave the options out."
            )
        channels = worker_router().channels_and_defaults
        filter_channels(channels, options["only_channels"], options["exclude_channels"])
        become_parent(options["processes"] or 1)

    def run(self, group: WorkerGroup) -> None:
        """Run *group* until a signal comes, or the parent asks for the end."""
        parent = self.parent
        signals = StopSignals(ignored=[signal.SIGHUP] if parent else [])
        name = f"{group.process}, {parent.describe()}" if parent else group.process
        self.say(
            f"Worker {name}: {group.n_threads} thread(s) on {group.channel_layer}, "
            f"listening on channels {', '.join(group.channels)}",
            fields("worker_starts", process_id=group.process),
        )
        exporter.serve(self.metrics_ports, parent.count if parent else 0)
        worker_process_ready.send(sender=group)
        group.start()
        if parent is not None:
            limit = configuration().STOP_TIMEOUT + LEAVE_TIME + EXIT_TIME
            parent.begin(group.wait_until_known, limit, signals.stop_waiting)
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


def find_layer(alias: str) -> WorkerLayer:
    """Return the layer of *alias*; CommandError if no worker can use it."""
    try:
        layer = get_channel_layer(alias)
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None
    if problems := check_worker(alias):
        texts = (f"{problem.id}: {problem.msg} {problem.hint}" for problem in problems)
        raise CommandError("\n".join(texts))
    return layer


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


def _ports(text: str) -> str:
    try:
        metrics_ports(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _number_of_processes(text: str) -> int:
    return usable_cores() if text == "auto" else _at_least_one(text)
