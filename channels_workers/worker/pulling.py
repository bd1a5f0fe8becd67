"""The duty of carrying to one shard what the others have for it; every worker process has it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from channels_workers.concurrency.threads import Duty
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.puller import Puller


class Pulling:
    """Runs a puller for the shard *destination*; of all processes, the one with the claim works."""

    def __init__(
        self, shards: LayerShards, destination: str, make_token: Callable[[], str]
    ) -> None:
        self.puller = Puller(shards, destination, make_token=make_token)
        self._ended = threading.Event()
        self.thread = Duty(f"puller for {destination}", self._run)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def end(self) -> None:
        """Pull nothing more, and give the claim up."""
        self._ended.set()

    def _run(self) -> None:
        self.puller.run(self._ended)
