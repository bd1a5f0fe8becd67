"""All instruments of one process, and their registry."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.registry import Collector

from channels_workers.metrics.interface import InterfaceInstruments
from channels_workers.metrics.layer import LayerInstruments
from channels_workers.metrics.tasks import RelayInstruments, TaskInstruments
from channels_workers.metrics.worker import WorkerInstruments

Part = TypeVar("Part")


class Instruments:
    """The instruments of a process. Each part of them exists from its first use on.

    So an interface server shows no metrics of workers.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        #: The other registries that show the metrics.
        self.shown_in: list[CollectorRegistry] = []
        self._parts: dict[type, Any] = {}
        self._lock = threading.Lock()

    def add(self, collector: Collector) -> None:
        """Show what *collector* collects, unless there is one of its kind."""
        kind = type(collector)
        with self._lock:
            if kind not in self._parts:
                self._parts[kind] = collector
                self.registry.register(collector)

    @property
    def worker(self) -> WorkerInstruments:
        """What worker processes record."""
        return self._part(WorkerInstruments)

    @property
    def layer(self) -> LayerInstruments:
        """What all processes record about their channel layer."""
        return self._part(LayerInstruments)

    @property
    def interface(self) -> InterfaceInstruments:
        """What interface servers record."""
        return self._part(InterfaceInstruments)

    @property
    def tasks(self) -> TaskInstruments:
        """What worker processes record about tasks."""
        return self._part(TaskInstruments)

    @property
    def relay(self) -> RelayInstruments:
        """What worker processes record about stored sends."""
        return self._part(RelayInstruments)

    def _part(self, kind: type[Part]) -> Part:
        """Return the instruments of *kind*, a class that takes the registry."""
        with self._lock:
            if kind not in self._parts:
                self._parts[kind] = kind(self.registry)  # type: ignore[call-arg]
            found: Part = self._parts[kind]
            return found
