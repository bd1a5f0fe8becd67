"""The tables of the engine."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class CommittedMessage(models.Model):
    """A message that a consumer with ``@once`` has finished, and its effects on the layer.

    The row is written in the transaction of the consumer. Another run of the message finds it, and
    does not run the consumer again. Workers delete it after a while.
    """

    #: A hash of the message id: ids have no greatest length, and some databases ignore case.
    key = models.UUIDField(unique=True)

    #: What goes out with the layer's commit; see :mod:`channels_workers.once.effects`.
    effects = models.BinaryField()

    #: When it was written, by the clock of the database.
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.key)
