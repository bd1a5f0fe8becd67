"""The tables of the engine."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import pgettext_lazy


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


class StatusViewer(models.Model):
    """An open socket of the status page in the admin; see :mod:`channels_workers.admin`."""

    #: Its reply channel.
    channel = models.CharField(max_length=150, unique=True)

    #: The key of the HTTP session that opened it. Signed cookies are as long as a cookie may be.
    session = models.TextField()

    #: The alias of the layer that it shows.
    layer = models.CharField(max_length=100)

    #: When it was last pushed to, by the clock of the database; at first when it opened.
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.channel


class Status(StatusViewer):
    """The page in the admin with the state of the layers, and its permission. It has no rows."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = pgettext_lazy("channels_workers", "status")
        verbose_name_plural = pgettext_lazy("channels_workers", "status")


class DeadLetter(StatusViewer):
    """The pages in the admin with dead letters, and their permissions. It has no rows."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        permissions = [
            ("retry_deadletter", "Can retry a dead letter"),
            ("drop_deadletter", "Can drop a dead letter"),
        ]
        verbose_name = pgettext_lazy("channels_workers", "dead letter")
        verbose_name_plural = pgettext_lazy("channels_workers", "dead letters")
