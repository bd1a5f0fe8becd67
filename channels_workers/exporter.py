"""Turns metrics on, and serves them, if ``CHANNEL_WORKERS["METRICS_PORT"]`` is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from channels_workers import recorder
from channels_workers.conf import configuration
from channels_workers.conf_values import metrics_ports
from channels_workers.layers.base import FORMAT_VERSION, WorkerLayer
from channels_workers.layers.types import ProcessInfo
from channels_workers.registry import DEFAULT_CHANNEL_LAYER

if TYPE_CHECKING:
    from channels_workers.metrics.server import Server

_server: Server | None = None


def record(ports: str = "", alias: str = DEFAULT_CHANNEL_LAYER) -> None:
    """Let the engine record in this process, if *ports* or the setting say so.

    *alias* names the layer of this process. Call it before threads and sockets start. Raises
    :class:`~django.core.exceptions.ImproperlyConfigured` without the extra ``metrics``.
    """
    if ports or configuration().METRICS_PORT:
        # It needs an extra.
        from channels_workers.metrics.beginning import begin  # noqa: PLC0415

        begin(alias)


def joined(role: str, layer: WorkerLayer) -> None:
    """Note that this process begins its *role*, ``worker`` or ``server``, in *layer*."""
    found = recorder.current()
    if found is not None:
        release = ProcessInfo.this(role).release
        found.layer.is_process(role, release, FORMAT_VERSION)
        found.layer.reads_clock(layer.clock.error)
        layer.clock.keep()
        if role == "worker":
            # It needs an extra.
            from channels_workers.metrics.stored import StoredSendsCollector  # noqa: PLC0415

            found.add(StoredSendsCollector())


def serve(ports: str = "", processes: int = 0) -> None:
    """Serve what this process records on the first free port, once.

    The *ports* have the form of ``METRICS_PORT``, whose place they take. One port stands for those
    from it on that the *processes* of one parent need, with those that will replace them.
    """
    global _server
    limits = configuration()
    ports = ports or str(limits.METRICS_PORT)
    found = recorder.current()
    if not ports or found is None or _server is not None:
        return
    # It needs an extra.
    from channels_workers.metrics.server import start_server  # noqa: PLC0415

    tried = metrics_ports(ports)
    if len(tried) == 1 and processes:
        tried = range(tried[0], tried[0] + 2 * processes)
    _server = start_server(limits.METRICS_HOST, tried, found.registry)
