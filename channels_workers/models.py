"""The tables of the engine."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.db.models.functions import Now


class CommittedMessage(models.Model):
    """A message that a consumer with ``@once`` has finished, and its effects on the layer.

    The row is written in the transaction of the consumer. Another run of the message finds it, and
    does not run the consumer again. Workers delete it after a while.
    """

    #: A hash of the message id: ids have no greatest length, and some databases ignore case.
    key = models.UUIDField(unique=True)

    #: What goes out with the layer's commit; see :mod:`channels_workers.effects`.
    effects = models.BinaryField()

    #: When it was written, by the clock of the database.
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.key)


class StoredSend(models.Model):
    """A send that is part of a transaction; see ``Channel.send(in_transaction=...)``.

    The row is written in the transaction of the caller. A worker sends it, then deletes it.
    """

    #: Names the send in the layer, and is the parent of its message ids.
    key = models.UUIDField(unique=True, default=uuid4)

    #: The alias of the layer.
    layer = models.CharField(max_length=100)

    #: The channel, whose sends stay in order while it is full; empty for a group.
    channel = models.CharField(max_length=100)

    #: What goes out; see :mod:`channels_workers.effects`.
    effects = models.BinaryField()

    #: When it was written, by the clock of the database.
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.key)


class RelayedDatabase(models.Model):
    """One row that names this database in the layers, where one worker at a time relays it.

    An alias would not do: two projects may share a Redis, and call different databases ``default``.
    """

    key = models.UUIDField(default=uuid4)

    def __str__(self) -> str:
        return str(self.key)
