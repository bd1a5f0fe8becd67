"""What the pages store."""

from django.db import models


class Note(models.Model):
    """A text from a form."""

    id = models.AutoField(primary_key=True)
    text = models.TextField()

    def __str__(self):
        return self.text


class Upload(models.Model):
    """What came with a file: not the file itself."""

    id = models.AutoField(primary_key=True)
    name = models.CharField(max_length=200)
    size = models.IntegerField()
    digest = models.CharField(max_length=64)

    def __str__(self):
        return self.name


class Gone(models.Model):
    """A reader of a topic who is gone, with an answer or without."""

    id = models.AutoField(primary_key=True)
    path = models.CharField(max_length=200)

    def __str__(self):
        return self.path
