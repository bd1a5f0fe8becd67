"""The first stage: what one says, everybody hears."""

from channels import Group


def ws_add(message):
    """Let everybody in."""
    Group("everybody").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def ws_message(message):
    """Tell everybody; a frame without text is an error."""
    Group("everybody").send({"text": f"somebody: {message.content['text']}"})


def ws_leave(message):
    """Forget who has gone."""
    Group("everybody").discard(message.reply_channel)


channel_routing = {
    "websocket.connect": ws_add,
    "websocket.receive": ws_message,
    "websocket.disconnect": ws_leave,
}
