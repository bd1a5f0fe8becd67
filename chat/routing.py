"""Routes from channels and socket paths to consumers."""

from channels_workers import include, route
from chat import consumers
from chat.accounts.consumers import logged_out
from chat.accounts.signals import LOGGED_OUT

channel_routing = [
    include("channels_workers.admin.routing.channel_routing"),
    route("websocket.connect", consumers.lobby_connect, path="^/chat/$"),
    route("websocket.receive", consumers.lobby_receive, path="^/chat/$"),
    route("websocket.disconnect", consumers.lobby_disconnect, path="^/chat/$"),
    route("websocket.connect", consumers.ws_connect),
    route("websocket.receive", consumers.ws_receive),
    route("websocket.disconnect", consumers.ws_disconnect),
    route(LOGGED_OUT, logged_out),
]
