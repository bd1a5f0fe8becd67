"""Blogs and posts. The readers of a blog get each post when it is saved."""

import json
from html import escape

from channels import Group
from django.db import models
from django.db.models.signals import post_save
from django.dispatch import receiver


class Blog(models.Model):
    """A blog. Its readers are a group."""

    id = models.AutoField(primary_key=True)
    slug = models.SlugField(unique=True)

    def __str__(self):
        return self.slug

    @property
    def group(self):
        """The current readers."""
        return Group(f"liveblog-{self.slug}")


class Post(models.Model):
    """An entry of a blog."""

    id = models.AutoField(primary_key=True)
    blog = models.ForeignKey(Blog, related_name="posts", on_delete=models.CASCADE)
    body = models.TextField()

    def __str__(self):
        return self.body

    def as_dict(self):
        """Return what a page needs to show or replace the post."""
        return {"id": self.id, "html": f"<p>{escape(self.body)}</p>"}


@receiver(post_save, sender=Post)
def publish(instance, **kwargs):
    """Send to the readers."""
    instance.blog.group.send({"text": json.dumps(instance.as_dict())})
