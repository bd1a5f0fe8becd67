"""Settings of a project with pages of Channels 1.x, which use WebSocketBridge.

The page at `/` and the consumers of `/streams/` are those of the docs. Sockets at `/plain/` speak
JSON without streams.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import path

from channels_workers import route_class
from channels_workers.generic.websockets import JsonWebsocketConsumer
from chat_project.settings import *  # noqa: F403
from chat_project.settings import MIDDLEWARE as OF_CHAT
from tests.docs.pages import page

ROOT_URLCONF = "tests.processes.bridge"
CHANNEL_ROUTING = "tests.processes.bridge.channel_routing"
MIDDLEWARE = [name for name in OF_CHAT if not name.startswith("csp.")]

_GUIDE = page("how-to/websocketbridge")


class Plain(JsonWebsocketConsumer):
    """Answers with what it receives, by a stream if it names one."""

    def receive(self, content: Any, **kwargs: Any) -> None:
        if isinstance(content, dict) and "stream" in content:
            self.send({"stream": content["stream"], "payload": content})
            self.send({"stream": "unheard", "payload": content})
        self.send({"said": content}, close=4321 if content == "close" else False)


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(_GUIDE.marked("template", "page")).render(Context()))


def routes_of_the_guide() -> list[Any]:
    (block,) = (block for block in _GUIDE.blocks if block.language == "python")
    names: dict[str, Any] = {}
    exec(block.text, names)
    routes: list[Any] = names["channel_routing"]
    return routes


urlpatterns = [path("", show)]
channel_routing = [*routes_of_the_guide(), route_class(Plain, path=r"^/plain/$")]
