"""Random troubles: the rows in the database are the messages heard, each once."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from channels_workers.channel import Channel
from channels_workers.exceptions import ConsumeLater
from channels_workers.layers.types import Committed, Delivery
from channels_workers.once import once, run
from chat.models import Room
from tests.channels_workers.once.conftest import OUT, Trial, rooms, rows

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES, RUNS = 10, 4

find = run.find


class Troubled:
    """Runs messages, and lets each run but the last of each get into trouble."""

    def __init__(self, trial: Trial, chance: random.Random, patch: pytest.MonkeyPatch) -> None:
        self.trial = trial
        self.chance = chance
        self.patch = patch
        self.troubles: list[Callable[[Any], None]] = []
        self.callbacks: list[str] = []
        self.consumer = once(self._consume)

    def _consume(self, message: Any) -> None:
        text = message["text"]
        transaction.on_commit(lambda: self.callbacks.append(text))
        Channel(OUT, channel_layer=self.trial.layer).send({"text": text})
        # A second row would show: the label is not the same in each run.
        Room.objects.create(name=text, label=f"{text}-{self.chance.getrandbits(40)}")
        for trouble in self.troubles:
            trouble(message)

    def run(self, text: str) -> None:
        self.trial.publish(text=text)
        delivery = self.trial.pull()
        late: list[Delivery] = []
        for _ in range(self.chance.randrange(RUNS)):
            name = self.chance.choice(["dies", "late", "deadlock", "put off", "no reply", "unread"])
            if name == "late":  # it is frozen, and wakes up at the end
                late.append(delivery)
            else:
                with self.patch.context() as patch:
                    self._begin(name, patch)
                    self.trial.run(delivery, self.consumer)
                self.troubles.clear()
            delivery = self.trial.again(delivery)
        done = self.trial.commit(delivery, self.trial.run(delivery, self.consumer))
        assert done is Committed.DONE
        for each in late:
            with self.patch.context() as patch:
                self._begin("unread", patch)
                assert self.trial.commit(each, self.trial.run(each, self.consumer)) is (
                    Committed.STALE
                )

    def _begin(self, name: str, patch: pytest.MonkeyPatch) -> None:
        match name:
            case "deadlock":
                self.troubles.append(lambda message: _raise(OperationalError("deadlock")))
            case "put off":
                self.troubles.append(lambda message: _raise(ConsumeLater()))
            case "no reply":
                real = connection.commit

                def commit() -> None:
                    real()
                    raise OperationalError("connection lost")

                patch.setattr(connection, "commit", commit)
            case "unread":
                looked: list[Any] = []

                def look(*args: Any) -> bytes | None:
                    looked.append(args)
                    return find(*args) if len(looked) > 1 else None

                patch.setattr(run, "find", look)


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("seed", range(10))
def test_rows_are_what_is_heard(seed: int, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    troubled = Troubled(trial, random.Random(seed), monkeypatch)
    texts = [f"m{number}" for number in range(MESSAGES)]
    for text in texts:
        troubled.run(text)
    assert [one["text"] for one in trial.out] == texts
    assert [label.partition("-")[0] for label in rooms()] == texts
    assert (troubled.callbacks, rows()) == (
        [text for text in texts if text in troubled.callbacks],
        MESSAGES,
    )
