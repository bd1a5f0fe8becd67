"""Readers come and go. Their frames are ignored."""

import json

from .models import Blog


def connect_blog(message, slug):
    """Start reading. If there is no such blog, say so and close."""
    try:
        blog = Blog.objects.get(slug=slug)
    except Blog.DoesNotExist:
        error = {"error": "There is no blog of this name."}
        message.reply_channel.send({"text": json.dumps(error), "close": True})
        return
    blog.group.add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def disconnect_blog(message, slug):
    """Stop reading."""
    for blog in Blog.objects.filter(slug=slug):
        blog.group.discard(message.reply_channel)
