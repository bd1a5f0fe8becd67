"""The fourth step: ordering, so that frames can be counted."""

import json

from channels import Group, route
from channels.sessions import enforce_ordering


@enforce_ordering
def ws_connect(message):
    """Start counting."""
    message.channel_session["frames"] = 0
    Group("counting").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


@enforce_ordering
def ws_message(message):
    """Send back the number of the frame."""
    message.channel_session["frames"] += 1
    answer = {"frame": message.channel_session["frames"], "text": message.get("text")}
    message.reply_channel.send({"text": json.dumps(answer)})


@enforce_ordering
def ws_disconnect(message):
    """Tell the remaining ones how many there were."""
    Group("counting").discard(message.reply_channel)
    left = {"left after": message.channel_session["frames"], "code": message["code"]}
    Group("counting").send({"text": json.dumps(left)})


channel_routing = [
    route("websocket.connect", ws_connect),
    route("websocket.receive", ws_message),
    route("websocket.disconnect", ws_disconnect),
]
