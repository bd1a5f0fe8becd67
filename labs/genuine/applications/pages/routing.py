"""Some requests have consumers. Django's views answer all others, as the default."""

from channels import include, route
from channels.handler import ViewConsumer
from channels.staticfiles import StaticFilesConsumer

from . import consumers

answers = [
    route("http.request", consumers.answer_cookies, path=r"^cookies/$"),
    route("http.request", consumers.answer_in_chunks, path=r"^chunks/$"),
    route("http.request", consumers.answer_status, path=r"^status/(?P<code>\d{3})/$"),
    route("http.request", consumers.answer_keys, path=r"^keys/"),
    route("http.request", consumers.answer_request, path=r"^request/"),
    route("http.request", consumers.answer_at_once, path=r"^at-once/$", method="^POST$"),
    route("http.request", consumers.answer_session, path=r"^session/$"),
    route("http.request", consumers.answer_user, path=r"^user/$"),
    route("http.request", consumers.answer_later, path=r"^later/$"),
]

topics = [
    route("http.request", consumers.wait_for_topic, path=r"^wait/(?P<topic>\w+)/$"),
    route("http.request", consumers.follow_topic, path=r"^follow/(?P<topic>\w+)/$"),
    route("http.disconnect", consumers.note_gone, path=r"^(?:wait|follow)/(?P<topic>\w+)/$"),
]

channel_routing = [
    include(answers, path=r"^/answers/"),
    include(topics, path=r"^/topics/"),
    route("http.request", StaticFilesConsumer(), path=r"^/static/"),
    route("http.request", ViewConsumer(), path=r"^/views/"),
    route("pages.later", consumers.answer_for_another),
    route("pages.note", consumers.look_for_note),
    route("websocket.connect", consumers.connect),
    route("websocket.disconnect", consumers.disconnect),
    route(
        "websocket.receive",
        consumers.tell_following,
        text=r"^(?P<topic>\w+)(?P<more>\+?): (?P<text>.*)$",
        path=r"^/follow/$",
    ),
    route("websocket.receive", consumers.tell_waiting, text=r"^(?P<topic>\w+): (?P<text>.*)$"),
]
