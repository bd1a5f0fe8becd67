"""Readers come and go; what they send is ignored."""

import json

from .models import Blog


def connect_blog(message, slug):
    """Begin to read; say so if there is no such blog, and close."""
    try:
        blog = Blog.objects.get(slug=slug)
    except Blog.DoesNotExist:
        error = {"error": "There is no blog of this name."}
        message.reply_channel.send({"text": json.dumps(error), "close": True})
        return
    blog.group.add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def disconnect_blog(message, slug):
    """Read no more."""
    for blog in Blog.objects.filter(slug=slug):
        blog.group.discard(message.reply_channel)
