"""Consumers of JSON, with users and tasks."""

from channels import Channel
from channels.generic import BaseConsumer
from channels.generic.websockets import JsonWebsocketConsumer


class Members(JsonWebsocketConsumer):
    """For users, copied from the HTTP session."""

    http_user = True

    def connection_groups(self, **kwargs):
        """Join those of the same kind, named by the path."""
        return ["generics-" + kwargs.get("kind", "members")]

    def connect(self, message, **kwargs):
        """Accept users."""
        if message.user.is_anonymous:
            self.close()
        else:
            super().connect(message, **kwargs)

    def receive(self, content, **kwargs):
        """Send to all of them. A farewell closes."""
        if content == "bye":
            self.send({"bye": self.message.user.username}, close=True)
            return
        said = {"user": self.message.user.username, "content": content}
        self.group_send(self.connection_groups(**kwargs)[0], said)

    def disconnect(self, message, **kwargs):
        """Tell the others who left."""
        self.group_send(self.connection_groups(**kwargs)[0], {"left": message.user.username})


class Guests(JsonWebsocketConsumer):
    """For everybody. The channel session remembers users."""

    channel_session_user = True
    greeting = "hello"

    def connect(self, message, **kwargs):
        """Greet, which accepts the socket."""
        self.send({"greeting": self.greeting, "user": message.user.username})

    def receive(self, content, **kwargs):
        """Start a task. Anything but an object is an error."""
        task = {"reply_channel": self.message.reply_channel.name, "numbers": content["numbers"]}
        Channel("generics." + content["task"]).send(task)


class Tasks(BaseConsumer):
    """Run by workers, with one method per channel."""

    method_mapping = {  # noqa: RUF012
        "generics.sum": "add_up",
        "generics.count": "count",
    }
    channel_session = True

    def add_up(self, message, **kwargs):
        """Add the numbers up."""
        self.answer(message, sum=sum(message["numbers"]))

    def count(self, message, **kwargs):
        """Count the numbers."""
        self.answer(message, count=len(message["numbers"]))

    def answer(self, message, **result):
        """Send the result, and the number of tasks of this client."""
        tasks = message.channel_session.get("tasks", 0) + 1
        message.channel_session["tasks"] = tasks
        result["tasks"] = tasks
        message.reply_channel.send({"text": JsonWebsocketConsumer.encode_json(result)})
