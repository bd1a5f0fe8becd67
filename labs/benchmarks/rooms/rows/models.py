"""What the room stores."""

from __future__ import annotations

from django.db import models


class Line(models.Model):
    """A message of a room."""

    room = models.CharField(max_length=100)
    text = models.TextField()

    objects: models.Manager[Line] = models.Manager()

    def __str__(self) -> str:
        return f"{self.room}: {self.text}"
