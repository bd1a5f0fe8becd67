"""Random crashes: the sends that were committed are the messages heard, each once, in order."""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, transaction

from channels_workers.channel import Channel
from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.base import WorkerLayer
from channels_workers.models import StoredSend
from channels_workers.relay import relay as relay_module
from channels_workers.relay import rows
from channels_workers.relay.relay import Relay
from tests.channels_workers.relay.conftest import Out, waiting

pytestmark = pytest.mark.django_db(transaction=True)

STEPS, RELAYS, CHANNELS = 40, 3, ("out", "more")


class Died(BaseException):
    """A relay is killed."""


class Crashes:
    """Writers, relays that die or freeze between any two calls, and a reader.

    A claim lasts for a moment only, so that another relay may take over at any time.
    """

    def __init__(self, layer: WorkerLayer, chance: random.Random, out: Out) -> None:
        self.layer = layer
        self.chance = chance
        self.out = out
        self.relays = [self.new_relay() for _ in range(RELAYS)]
        self.running: list[Relay] = []
        self.late: list[Callable[[], object]] = []
        self.committed: dict[str, list[str]] = defaultdict(list)
        self.heard: dict[str, list[str]] = defaultdict(list)
        self.is_calm = False
        self.deaths = self.freezes = 0

    def new_relay(self) -> Relay:
        return Relay("default", self.layer, "default")

    # Steps

    def write(self) -> None:
        """Commit some sends, or roll them back."""
        is_kept = self.chance.random() < 0.7
        sends = [
            (self.chance.choice(CHANNELS), f"{self.chance.getrandbits(40)}")
            for _ in range(self.chance.randint(1, 4))
        ]
        with transaction.atomic():
            for channel, text in sends:
                Channel(channel).send({"text": text}, in_transaction="default")
            transaction.set_rollback(not is_kept)
        for channel, text in sends if is_kept else ():
            self.committed[channel].append(text)

    def read(self) -> None:
        channel = self.chance.choice(CHANNELS)
        self.heard[channel] += self.out(channel)

    def relay(self) -> None:
        """Let one look that is not under way, if there is one."""
        idle = [relay for relay in self.relays if relay not in self.running]
        if not idle:
            return
        relay = self.chance.choice(idle)
        self.running.append(relay)
        try:
            relay.look()
        except (LayerUnavailable, OperationalError):
            pass
        except Died:
            self.deaths += 1
            self.relays[self.relays.index(relay)] = self.new_relay()
        finally:
            self.running.remove(relay)

    def arrive_late(self) -> None:
        """Let a request arrive whose sender waits no more."""
        if self.late:
            self.late.pop(self.chance.randrange(len(self.late)))()

    def any(self) -> None:
        self.chance.choice([self.write, self.read, self.relay, self.relay, self.arrive_late])()

    # Troubles

    def between(self) -> None:
        """A relay is between two calls: it may die, or freeze while others go on."""
        if self.is_calm:
            return
        dice = self.chance.random()
        if dice < 0.12:
            raise Died
        if dice < 0.3:
            self.freezes += 1
            for _ in range(self.chance.randint(1, 3)):
                self.any()

    def troubled(self, call: Callable[..., Any], error: Exception) -> Callable[..., Any]:
        def troubled_call(*args: Any) -> Any:
            self.between()
            dice = 1.0 if self.is_calm else self.chance.random()
            if dice < 0.07:
                self.late.append(lambda: call(*args))
                raise error
            result = call(*args)
            if dice < 0.14:
                self.late.append(lambda: call(*args))  # it was sent twice
                raise error
            self.between()
            return result

        return troubled_call


@pytest.mark.parametrize("seed", range(20))
def test_committed_sends_are_what_is_heard(
    seed: int, layer: WorkerLayer, out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "CLAIMED", 0.000001)
    monkeypatch.setattr(rows, "AT_ONCE", 3)
    layer.channel_capacity = layer.compile_capacities({"out": 4})
    crashes = Crashes(layer, random.Random(seed), out)
    away, lost = LayerUnavailable("away"), OperationalError("connection lost")
    for name, place, error in (
        ("claim", layer.relays, away),
        ("send_once", layer.relays, away),
        ("next_rows", rows, lost),
        ("delete", rows, lost),
    ):
        monkeypatch.setattr(place, name, crashes.troubled(getattr(place, name), error))
    for _ in range(STEPS):
        crashes.any()
    crashes.is_calm = True
    while crashes.late:
        crashes.arrive_late()
    while waiting():
        crashes.relay()
        for channel in CHANNELS:
            crashes.heard[channel] += out(channel)
    for channel in CHANNELS:
        crashes.heard[channel] += out(channel)
    for channel in CHANNELS:
        assert crashes.heard[channel] == crashes.committed[channel]
    assert crashes.deaths + crashes.freezes > 0
    assert StoredSend.objects.count() == 0
    last = crashes.new_relay()
    last.look()
    last.look()
    assert last.look(), "it claims what nobody else does"
