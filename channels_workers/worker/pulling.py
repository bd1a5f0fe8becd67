"""The duty of carrying to one shard what the others have for it; every worker process has it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from channels_workers.backoff import Backoff
from channels_workers.concurrency.threads import Duty
from channels_workers.layers.shards.base import LayerShards
from channels_workers.layers.shards.puller import Puller
from channels_workers.layers.shards.states import Opener

logger = logging.getLogger(__name__)


#: The interval of looks whether the shard may have new sockets (s).
LOOK_INTERVAL = 2.0


class Pulling:
    """Runs a puller for the shard *destination*; of all processes, the one with the claim works.

    That one also opens the shard when all processes know it.
    """

    def __init__(
        self, shards: LayerShards, destination: str, make_token: Callable[[], str]
    ) -> None:
        self.puller = Puller(shards, destination, make_token=make_token)
        self._opener = Opener(shards, destination)
        self._ended = threading.Event()
        self.thread = Duty(f"puller for {destination}", self._run)
        self.opening = Duty(f"opener of {destination}", self._open)

    def start(self) -> None:
        """Start the threads."""
        self.thread.start()
        self.opening.start()

    def end(self) -> None:
        """Pull nothing more, and give the claim up."""
        self._ended.set()

    def _run(self) -> None:
        self.puller.run(self._ended)

    def _open(self) -> None:
        attempts = Backoff(logger, "Looking at the shards", LOOK_INTERVAL, log_level=logging.DEBUG)
        while not self._ended.wait(LOOK_INTERVAL):
            if not self.puller.has_claim:
                continue
            try:
                self._opener.look()
            except Exception as error:  # noqa: BLE001  (the next look may succeed)
                attempts.failed(error)
            else:
                attempts.succeeded()
