"""Settings and consumers of sockets that clients may open without WebSockets.

What consumers see goes into Redis lists: `connected:<path>` has what handshakes said, `seen:<path>`
the texts of frames, `ended:<path>` the codes of disconnects. Sockets below `/closed/` are refused,
and those below `/guarded/` need an allowed Origin. The page at `/` loads the JavaScript client.
"""

import json
import os
from pathlib import Path

import redis
from django.http import HttpRequest, HttpResponse
from django.urls import path as url

from channels_workers import Group, route
from channels_workers.exceptions import DenyConnection
from channels_workers.message import Message
from channels_workers.security.websockets import configured_origins_only
from chat_project.settings import *  # noqa: F403
from chat_project.settings import CHANNEL_WORKERS as CHAT
from chat_project.settings import MIDDLEWARE as OF_CHAT
from chat_project.settings import REDIS_URL

ROOT_URLCONF = "tests.processes.fallbacks"
MIDDLEWARE = [name for name in OF_CHAT if not name.startswith("csp.")]
CHANNEL_ROUTING = "tests.processes.fallbacks.channel_routing"
CHANNEL_WORKERS = {**CHAT, "FALLBACKS": True, **json.loads(os.environ.get("LIMITS", "{}"))}
CLIENT = Path(__file__).parents[2] / "client" / "src"

PAGE = """<!doctype html><meta charset="utf-8"><title>Fallbacks</title><script type="module">
import { Connection } from "/client/connection.js";
import { withFallbacks } from "/client/transports.js";
import { watchWakeups } from "/client/wakeup.js";
window.texts = [];
window.states = [];
const path = new URLSearchParams(location.search).get("socket") ?? "/room/browser/";
const options = JSON.parse(new URLSearchParams(location.search).get("options") ?? "{}");
const Socket = window.Socket = withFallbacks(options);
window.connection = new Connection(path, {
  WebSocket: Socket, firstDelay: 100, longestDelay: 500, probeTimeout: 3_000,
  probe: (connection) => connection.send("probe"),
});
connection.on("data", (text) => texts.push(text));
connection.on("state", (state) => states.push(state.name));
watchWakeups(connection);
connection.open();
</script>"""


def note(key: str, value: object) -> None:
    with redis.Redis.from_url(REDIS_URL) as client:
        client.rpush(key, str(value))


def room(message: Message) -> Group:
    return Group(message["path"].strip("/").replace("/", "."))


def connect(message: Message) -> None:
    if message["path"].startswith("/closed/"):
        raise DenyConnection("it is closed")
    names = ("query_string", "client", "scheme", "subprotocols", "headers")
    note(f"connected:{message['path']}", repr([message[name] for name in names]))
    offered = message["subprotocols"]
    message.reply_channel.send({"accept": True, "subprotocol": offered[0] if offered else None})
    room(message).add(message.reply_channel)


def receive(message: Message) -> None:
    if message.get("text") is None:
        message.reply_channel.send({"bytes": message["bytes"]})
        return
    text = message["text"]
    note(f"seen:{message['path']}", text)
    if text.startswith("close "):
        message.reply_channel.send({"text": "bye", "close": int(text.split()[1]), "reason": "so"})
    elif text.startswith("many "):
        for number in range(int(text.split()[1])):
            message.reply_channel.send({"text": f"{number}:{'x' * int(text.split()[2])}"})
    else:
        room(message).send({"text": text})


def disconnect(message: Message) -> None:
    room(message).discard(message.reply_channel)
    note(f"ended:{message['path']}", message["code"])


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


def module(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse((CLIENT / f"{name}.js").read_bytes(), content_type="text/javascript")


urlpatterns = [url("", page), url("client/<slug:name>.js", module)]

channel_routing = [
    route("websocket.connect", configured_origins_only(connect), path=r"^/guarded/"),
    route("websocket.connect", connect),
    route("websocket.receive", receive),
    route("websocket.disconnect", disconnect),
]
