"""Errors caused by a client's input."""

import json
from functools import wraps


class ClientError(Exception):
    """An error that is sent to the client as a code."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code

    def send_to(self, channel):
        """Send it to the client."""
        channel.send({"text": json.dumps({"error": self.code})})


def tells_client(func):
    """Send a client's errors back to it."""

    @wraps(func)
    def inner(message, *args, **kwargs):
        try:
            return func(message, *args, **kwargs)
        except ClientError as error:
            error.send_to(message.reply_channel)

    return inner
