"""Consumers of raw frames: text and bytes."""

from channels.exceptions import DenyConnection
from channels.generic.websockets import WebsocketConsumer


class Room(WebsocketConsumer):
    """A room at its path, in which everybody hears everybody."""

    def connection_groups(self, **kwargs):
        """Join the room, and the group of everybody."""
        return ["generics-room-" + kwargs["room"], "generics-anywhere"]

    def receive(self, text=None, bytes=None, **kwargs):  # noqa: A002
        """Send to the room, or to everybody if it is shouted."""
        room = "generics-room-" + kwargs["room"]
        if text is not None and text.isupper():
            self.group_send("generics-anywhere", text=text)
        elif text or bytes:
            self.group_send(room, text=text, bytes=bytes)
        else:
            self.send(text="nothing came")

    def disconnect(self, message, **kwargs):
        """Tell the remaining members of the room."""
        self.group_send("generics-room-" + kwargs["room"], text=f"left with {message['code']}")


class Counter(WebsocketConsumer):
    """Counts frames in order, and closes the socket after some."""

    strict_ordering = True
    channel_session = True
    last = 5

    def connect(self, message, **kwargs):
        """Start counting."""
        message.channel_session["frames"] = 0
        super().connect(message, **kwargs)

    def receive(self, text=None, bytes=None, **kwargs):  # noqa: A002
        """Count, and close with the last frame."""
        self.message.channel_session["frames"] += 1
        frames = self.message.channel_session["frames"]
        self.send(text=f"{frames} frames at {self.path}", close=frames == self.last)


class Door(WebsocketConsumer):
    """Refuses or closes, depending on its path."""

    groups = ("generics-anywhere",)

    def connect(self, message, **kwargs):
        """Accept or refuse."""
        if kwargs["how"] == "deny":
            raise DenyConnection
        if kwargs["how"] == "close":
            self.close()
        else:
            super().connect(message, **kwargs)

    def receive(self, text=None, bytes=None, **kwargs):  # noqa: A002
        """Close with the code in the frame, or with 1000."""
        if text and text.isdigit():
            self.close(int(text))
        else:
            self.close()
