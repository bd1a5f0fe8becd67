"""One path for each difference."""

from channels import route

from . import consumers

channel_routing = [
    route("websocket.connect", consumers.connect_silent, path=r"^/silent/$"),
    route("websocket.connect", consumers.connect_wrong, path=r"^/wrong/$"),
    route("websocket.connect", consumers.connect_member, path=r"^/members/$"),
    route("websocket.connect", consumers.connect),
    route("websocket.receive", consumers.work, path=r"^/work/$"),
    route("websocket.receive", consumers.tell_members, path=r"^/members/$"),
    route("websocket.receive", consumers.send_poison, path=r"^/poison/$"),
    route("websocket.receive", consumers.put_off_once, path=r"^/later/$"),
    route("websocket.receive", consumers.close_badly, path=r"^/close/$"),
    route("websocket.receive", consumers.echo),
    route("differences.row", consumers.look_for_row),
    route("differences.later", consumers.answer_later),
    route("http.request", consumers.fail_request, path=r"^/fails/$"),
]
