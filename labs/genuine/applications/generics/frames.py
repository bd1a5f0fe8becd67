"""Consumers of frames as they come: text and bytes."""

from channels.exceptions import DenyConnection
from channels.generic.websockets import WebsocketConsumer


class Room(WebsocketConsumer):
    """A room at its path, in which all hear what one sends."""

    def connection_groups(self, **kwargs):
        """Join the room, and those who are anywhere."""
        return ["generics-room-" + kwargs["room"], "generics-anywhere"]

    def receive(self, text=None, bytes=None, **kwargs):  # noqa: A002
        """Tell the room, or everybody if it is shouted."""
        room = "generics-room-" + kwargs["room"]
        if text is not None and text.isupper():
            self.group_send("generics-anywhere", text=text)
        elif text or bytes:
            self.group_send(room, text=text, bytes=bytes)
        else:
            self.send(text="nothing came")

    def disconnect(self, message, **kwargs):
        """Tell the room who stays behind."""
        self.group_send("generics-room-" + kwargs["room"], text=f"left with {message['code']}")


class Counter(WebsocketConsumer):
    """Counts frames in their order, and ends the socket after some."""

    strict_ordering = True
    channel_session = True
    last = 5

    def connect(self, message, **kwargs):
        """Begin to count."""
        message.channel_session["frames"] = 0
        super().connect(message, **kwargs)

    def receive(self, text=None, bytes=None, **kwargs):  # noqa: A002
        """Count, and close with the last frame."""
        self.message.channel_session["frames"] += 1
        frames = self.message.channel_session["frames"]
        self.send(text=f"{frames} frames at {self.path}", close=frames == self.last)


class Door(WebsocketConsumer):
    """Refuses or closes as its path says."""

    groups = ("generics-anywhere",)

    def connect(self, message, **kwargs):
        """Open the door, or do not."""
        if kwargs["how"] == "deny":
            raise DenyConnection
        if kwargs["how"] == "close":
            self.close()
        else:
            super().connect(message, **kwargs)

    def receive(self, text=None, bytes=None, **kwargs):  # noqa: A002
        """Close with the code in the frame, with 1000 if there is none."""
        if text and text.isdigit():
            self.close(int(text))
        else:
            self.close()
