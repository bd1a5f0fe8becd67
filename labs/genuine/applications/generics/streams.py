"""Two streams on one socket."""

from channels.generic.websockets import JsonWebsocketConsumer, WebsocketDemultiplexer


class Notes(JsonWebsocketConsumer):
    """Sends each note to everybody on the stream."""

    def connection_groups(self, **kwargs):
        """Join the readers."""
        return ["generics-notes"]

    def connect(self, message, multiplexer, **kwargs):
        """Announce the stream."""
        multiplexer.send({"open": kwargs["desk"]})

    def receive(self, content, multiplexer, **kwargs):
        """Forward the note."""
        multiplexer.group_send(
            "generics-notes", multiplexer.stream, {"note": content, "desk": kwargs["desk"]}
        )

    def disconnect(self, message, multiplexer, **kwargs):
        """Announce a departure."""
        multiplexer.group_send("generics-notes", multiplexer.stream, {"gone": kwargs["desk"]})


class Sums(JsonWebsocketConsumer):
    """Adds up the numbers on the stream, separately for each client."""

    channel_session = True

    def connect(self, message, multiplexer, **kwargs):
        """Start with zero."""
        message.channel_session["sum"] = 0
        multiplexer.send({"sum": 0})

    def receive(self, content, multiplexer, **kwargs):
        """Add a number. A frame without one is an error."""
        self.message.channel_session["sum"] += content["number"]
        multiplexer.send({"sum": self.message.channel_session["sum"]})


class Desk(WebsocketDemultiplexer):
    """Passes each frame to the consumer of its stream."""

    consumers = {  # noqa: RUF012
        "notes": Notes,
        "sums": Sums,
    }

    def connection_groups(self, **kwargs):
        """Join no group itself, only its streams do."""
        return []
