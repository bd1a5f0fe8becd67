"""A page that opens a socket, and the consumers of the socket."""

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.urls import path

from channels_workers import Group, Message, route
from channels_workers.security.websockets import allowed_hosts_only

PAGE = """<!doctype html><title>Live</title><ul id="lines"></ul><script>
const socket = new WebSocket("ws://" + location.host + "/");
socket.onopen = () => socket.send("hello");
socket.onmessage = (event) => {
  const line = document.createElement("li");
  line.textContent = event.data;
  document.getElementById("lines").append(line);
};
</script>"""


def page(request: HttpRequest) -> HttpResponse:
    """Answer with the page."""
    return HttpResponse(PAGE)


@allowed_hosts_only
def connect(message: Message) -> None:
    """Accept the socket, and add it to the group of all."""
    message.reply_channel.send({"accept": True})
    Group("all").add(message.reply_channel)


def receive(message: Message) -> None:
    """Make a user of the text, and answer with the number of users."""
    get_user_model().objects.create(username=message["text"])
    count = get_user_model().objects.count()
    message.reply_channel.send({"text": f"{message['text']} is user {count}"})


urlpatterns = [path("", page)]

channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
