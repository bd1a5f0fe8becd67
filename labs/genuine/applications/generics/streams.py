"""Two streams over one socket."""

from channels.generic.websockets import JsonWebsocketConsumer, WebsocketDemultiplexer


class Notes(JsonWebsocketConsumer):
    """Shows each note to all who take the stream."""

    def connection_groups(self, **kwargs):
        """Join the readers."""
        return ["generics-notes"]

    def connect(self, message, multiplexer, **kwargs):
        """Say that the stream is there."""
        multiplexer.send({"open": kwargs["desk"]})

    def receive(self, content, multiplexer, **kwargs):
        """Pass the note on."""
        multiplexer.group_send(
            "generics-notes", multiplexer.stream, {"note": content, "desk": kwargs["desk"]}
        )

    def disconnect(self, message, multiplexer, **kwargs):
        """Say that somebody has gone."""
        multiplexer.group_send("generics-notes", multiplexer.stream, {"gone": kwargs["desk"]})


class Sums(JsonWebsocketConsumer):
    """Adds up what came on the stream; each client has a sum of its own."""

    channel_session = True

    def connect(self, message, multiplexer, **kwargs):
        """Begin with nothing."""
        message.channel_session["sum"] = 0
        multiplexer.send({"sum": 0})

    def receive(self, content, multiplexer, **kwargs):
        """Add a number; what has none is an error."""
        self.message.channel_session["sum"] += content["number"]
        multiplexer.send({"sum": self.message.channel_session["sum"]})


class Desk(WebsocketDemultiplexer):
    """Hands each frame to the consumer of its stream."""

    consumers = {  # noqa: RUF012
        "notes": Notes,
        "sums": Sums,
    }

    def connection_groups(self, **kwargs):
        """Be in no group itself: its streams are."""
        return []
