"""Consumers of the paths, frames and channels that the routing distinguishes."""

from channels import Channel
from channels.exceptions import ChannelSocketException, DenyConnection, WebsocketCloseException

from .answers import tell


class Farewell(ChannelSocketException):
    """Sends something and closes the socket."""

    def run(self, message):
        """Do both."""
        message.reply_channel.send({"text": "farewell", "close": True})


class CloseWith(WebsocketCloseException):
    """Closes the socket with a code.

    Its base class accepts only reply channels with certain names, which this interface server does
    not use, and ends the worker for others.
    """

    def __init__(self, code):
        super().__init__(code)
        self.code = code

    def run(self, message):
        """Close it."""
        message.reply_channel.send({"close": self.code})


def connect_shop(message, shop, **kwargs):
    """Enter a shop, and optionally one of its shelves."""
    tell(message, "connect_shop", shop=shop, **kwargs)


def connect_first(message, **kwargs):
    """First in the routing, so it wins."""
    tell(message, "connect_first", **kwargs)


def connect_second(message, **kwargs):
    """Second in the routing, for the rest."""
    tell(message, "connect_second", **kwargs)


def connect_token(message, token):
    """Needs a token in the query string."""
    tell(message, "connect_token", token=token)


def connect_denied(message):
    """Refuse everybody."""
    raise DenyConnection


def connect_denied_late(message):
    """Accept, then refuse."""
    message.reply_channel.send({"accept": True})
    raise DenyConnection


def connect_silent(message):
    """Do not answer."""


def connect_wrong_late(message):
    """Raise an exception after the answer."""
    message.reply_channel.send({"accept": True})
    raise RuntimeError("a mistake in a connect consumer, after its answer")


def receive_command(message, command, argument):
    """Handle a frame that begins with a slash."""
    tell(message, "receive_command", command=command, argument=argument)


def receive_close(message, code):
    """Close with the requested code."""
    raise CloseWith(int(code))


def receive_farewell(message):
    """Answer, and close by a custom exception."""
    tell(message, "receive_farewell")
    raise Farewell


def receive_wrong(message):
    """Answer, then raise an exception."""
    tell(message, "receive_wrong")
    raise RuntimeError("a mistake in a receive consumer")


def receive_relay(message, name, text):
    """Forward a frame to a custom channel."""
    content = {"reply_channel": message.reply_channel.name, "kind": name, "text": text}
    Channel("routed." + name).send(content)


def receive_text(message):
    """Handle any other text."""
    tell(message, "receive_text", text=message["text"])


def receive_other(message):
    """Handle frames without text."""
    tell(message, "receive_other", size=len(message["bytes"]))


def relayed(message, **kwargs):
    """Handle frames forwarded to one of two channels."""
    tell(message, "relayed", text=message["text"], **kwargs)


def relayed_rest(message):
    """Handle forwarded frames of unknown kinds."""
    tell(message, "relayed_rest")
