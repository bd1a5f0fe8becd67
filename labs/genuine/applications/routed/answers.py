"""Every consumer here answers which one it is, and with what it was called."""

import json


def tell(message, consumer, **kwargs):
    """Tell the client which consumer ran, and what the route found."""
    content = {"consumer": consumer, "channel": message.channel.name, "kwargs": kwargs}
    message.reply_channel.send({"text": json.dumps(content, sort_keys=True)})
