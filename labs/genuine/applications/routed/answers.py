"""Every consumer here answers with its name and its arguments."""

import json


def tell(message, consumer, **kwargs):
    """Send which consumer ran, and what the route matched."""
    content = {"consumer": consumer, "channel": message.channel.name, "kwargs": kwargs}
    message.reply_channel.send({"text": json.dumps(content, sort_keys=True)})
