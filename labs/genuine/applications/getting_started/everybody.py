"""The first step: everybody hears everybody."""

from channels import Group


def ws_add(message):
    """Accept everybody."""
    Group("everybody").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def ws_message(message):
    """Send to everybody. A frame without text is an error."""
    Group("everybody").send({"text": f"somebody: {message.content['text']}"})


def ws_leave(message):
    """Remove a socket that has left."""
    Group("everybody").discard(message.reply_channel)


channel_routing = {
    "websocket.connect": ws_add,
    "websocket.receive": ws_message,
    "websocket.disconnect": ws_leave,
}
