"""The second step: rooms, from the path or from the query string."""

from urllib.parse import parse_qs

from channels import Group, route
from channels.sessions import channel_session


@channel_session
def ws_connect(message, room):
    """Enter the room in the path."""
    enter(message, room)


@channel_session
def ws_connect_by_query(message):
    """Enter the room in the query string. Refuse the socket without one."""
    rooms = parse_qs(message["query_string"].decode("ascii")).get("room", [""])
    if not (rooms[0].isascii() and rooms[0].isalnum()):
        message.reply_channel.send({"close": True})
        return
    enter(message, rooms[0])


@channel_session
def ws_message(message):
    """Send the sender and the message to the room."""
    session = message.channel_session
    Group(f"room-{session['room']}").send(
        {"text": f"{session['name']}: {message['text']}"},
    )


@channel_session
def ws_disconnect(message):
    """Leave the room. A refused socket has none."""
    if "room" in message.channel_session:
        Group(f"room-{message.channel_session['room']}").discard(message.reply_channel)


def enter(message, room):
    """Add the socket to *room*, under the name in the query string, if any."""
    names = parse_qs(message["query_string"].decode("ascii")).get("name", ["nobody"])
    message.channel_session["room"] = room
    message.channel_session["name"] = names[0]
    Group(f"room-{room}").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


channel_routing = [
    route("websocket.connect", ws_connect, path=r"^/rooms/(?P<room>[a-z0-9]+)/$"),
    route("websocket.connect", ws_connect_by_query, path=r"^/rooms/$"),
    route("websocket.receive", ws_message, path=r"^/rooms/"),
    route("websocket.disconnect", ws_disconnect, path=r"^/rooms/"),
]
