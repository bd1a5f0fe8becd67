"""Consumers of the paths, frames and channels that the routing tells apart."""

from channels import Channel
from channels.exceptions import ChannelSocketException, DenyConnection, WebsocketCloseException

from .answers import tell


class Farewell(ChannelSocketException):
    """Says something, and closes the socket."""

    def run(self, message):
        """Do both."""
        message.reply_channel.send({"text": "farewell", "close": True})


class CloseWith(WebsocketCloseException):
    """Closes the socket with a code.

    The exception that it extends looks for reply channels of a name that this interface server
    does not give, and ends the worker when it finds another.
    """

    def __init__(self, code):
        super().__init__(code)
        self.code = code

    def run(self, message):
        """Close it."""
        message.reply_channel.send({"close": self.code})


def connect_shop(message, shop, **kwargs):
    """Enter a shop, and maybe a shelf of it."""
    tell(message, "connect_shop", shop=shop, **kwargs)


def connect_first(message, **kwargs):
    """Stand first, so that it wins."""
    tell(message, "connect_first", **kwargs)


def connect_second(message, **kwargs):
    """Stand second, for what is left."""
    tell(message, "connect_second", **kwargs)


def connect_token(message, token):
    """Come with a token in the query string."""
    tell(message, "connect_token", token=token)


def connect_denied(message):
    """Let nobody in."""
    raise DenyConnection


def connect_denied_late(message):
    """Let somebody in, and think again."""
    message.reply_channel.send({"accept": True})
    raise DenyConnection


def connect_silent(message):
    """Forget to answer."""


def connect_wrong_late(message):
    """Have a mistake after the answer."""
    message.reply_channel.send({"accept": True})
    raise RuntimeError("a mistake in a connect consumer, after its answer")


def receive_command(message, command, argument):
    """Take a frame that begins with a slash."""
    tell(message, "receive_command", command=command, argument=argument)


def receive_close(message, code):
    """Close with the code that was asked for."""
    raise CloseWith(int(code))


def receive_farewell(message):
    """Answer, and close by an exception of our own."""
    tell(message, "receive_farewell")
    raise Farewell


def receive_wrong(message):
    """Answer, and have a mistake then."""
    tell(message, "receive_wrong")
    raise RuntimeError("a mistake in a receive consumer")


def receive_relay(message, name, text):
    """Pass a frame on to a channel of our own."""
    content = {"reply_channel": message.reply_channel.name, "kind": name, "text": text}
    Channel("routed." + name).send(content)


def receive_text(message):
    """Take any other text."""
    tell(message, "receive_text", text=message["text"])


def receive_other(message):
    """Take what has no text."""
    tell(message, "receive_other", size=len(message["bytes"]))


def relayed(message, **kwargs):
    """Take what was passed on to one of two channels."""
    tell(message, "relayed", text=message["text"], **kwargs)


def relayed_rest(message):
    """Take what was passed on and is of no kind that is known."""
    tell(message, "relayed_rest")
