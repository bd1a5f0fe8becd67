"""Rooms and their messages."""

from django.db import models
from django.utils import timezone


class Room(models.Model):
    """A room with a page of its own."""

    id = models.AutoField(primary_key=True)
    label = models.SlugField(unique=True)
    name = models.TextField()

    def __str__(self):
        return self.label


class Message(models.Model):
    """A person's message in a room."""

    id = models.AutoField(primary_key=True)
    room = models.ForeignKey(Room, related_name="messages", on_delete=models.CASCADE)
    handle = models.TextField()
    message = models.TextField()
    timestamp = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self):
        return f"{self.handle}: {self.message}"

    def as_dict(self):
        """Return what the page and the socket show of it."""
        return {
            "handle": self.handle,
            "message": self.message,
            "timestamp": self.timestamp.isoformat(timespec="microseconds"),
        }
