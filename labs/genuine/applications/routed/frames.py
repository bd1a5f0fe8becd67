"""Routes by the content of a frame."""

from channels import route

from . import consumers

routing = [
    route("websocket.receive", consumers.receive_wrong, text=r"^/wrong$"),
    route("websocket.receive", consumers.receive_close, text=r"^/close (?P<code>\d{4})$"),
    route("websocket.receive", consumers.receive_farewell, text=r"^/farewell$"),
    route(
        "websocket.receive",
        consumers.receive_relay,
        text=r"^/relay (?P<name>one|two|none) (?P<text>.+)",
    ),
    route(
        "websocket.receive",
        consumers.receive_command,
        text=r"^/(?P<command>\w+)(?: (?P<argument>.*))?$",
    ),
    route("websocket.receive", consumers.receive_text, text=r"."),
    route("websocket.receive", consumers.receive_other, bytes=rb"[ -~]+$"),
]
