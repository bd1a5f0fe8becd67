"""Rooms, which must exist before anybody can enter."""

from channels import Group
from django.db import models


class Room(models.Model):
    """A room with a title."""

    id = models.AutoField(primary_key=True)
    title = models.CharField(max_length=50)

    def __str__(self):
        return self.title

    @property
    def group(self):
        """The members of the room."""
        return Group(f"multichat-{self.id}")
