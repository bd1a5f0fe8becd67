"""Rooms, which are opened before anybody can be in them."""

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
        """Those who are in it."""
        return Group(f"multichat-{self.id}")
