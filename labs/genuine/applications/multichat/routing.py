"""The socket's channels, and the commands from its frames."""

from channels import include, route

from .consumers import chat_join, chat_leave, chat_send, ws_connect, ws_disconnect, ws_receive

websocket_routing = [
    route("websocket.connect", ws_connect, path=r"^(?P<name>\w+)/$"),
    route("websocket.receive", ws_receive),
    route("websocket.disconnect", ws_disconnect),
]

command_routing = [
    route("chat.receive", chat_join, command="^join$"),
    route("chat.receive", chat_leave, command="^leave$"),
    route("chat.receive", chat_send, command="^send$"),
]

channel_routing = [
    include(websocket_routing, path=r"^/stream/"),
    include(command_routing),
]
