"""Consumers that answer requests themselves, and the sockets beside them."""

import json

from channels import Channel, Group
from channels.auth import http_session_user
from channels.handler import AsgiHandler, AsgiRequest
from channels.sessions import http_session
from django.http import HttpResponse, JsonResponse

from .models import Gone, Note

TEXT = [(b"Content-Type", b"text/plain; charset=utf-8")]


def answer(message, content, status=200, headers=TEXT, more=False):
    """Answer a request, or begin an answer."""
    message.reply_channel.send(
        {"status": status, "headers": headers, "content": content, "more_content": more}
    )


def answer_cookies(message):
    """Answer with a header twice."""
    cookies = [(b"Set-Cookie", b"flavour=oat; Path=/"), (b"Set-Cookie", b"size=big; Path=/")]
    answer(message, b"two cookies", headers=[*TEXT, *cookies])


def answer_in_chunks(message):
    """Answer in four messages. The second holds nothing."""
    answer(message, b"one, ", more=True)
    for content, more in ((b"", True), ("two, ñ, ".encode(), True), (b"three", False)):
        message.reply_channel.send({"content": content, "more_content": more})


def answer_status(message, code):
    """Answer with a status and nothing else."""
    message.reply_channel.send({"status": int(code), "headers": [], "content": b""})


def answer_keys(message):
    """Answer with what came in the message."""
    keys = ("http_version", "method", "path", "root_path", "scheme")
    content = {key: message.content[key] for key in keys}
    content["query_string"] = message.content["query_string"].decode("latin1")
    content["body"] = message.content.get("body", b"").decode("latin1")
    content["headers"] = [
        [name.decode("latin1"), value.decode("latin1")]
        for name, value in message.content["headers"]
        if name.startswith(b"x-")
    ]
    content["client"] = message.content["client"][0]
    content["channel"] = message.channel.name
    answer(message, json.dumps(content, sort_keys=True).encode())


def answer_request(message):
    """Make the request of the message, and encode a response of Django."""
    request = AsgiRequest(message)
    response = JsonResponse(
        {
            "method": request.method,
            "path": request.path,
            "get": dict(request.GET.lists()),
            "post": dict(request.POST.lists()),
            "cookies": {**request.COOKIES, "sessionid": "sessionid" in request.COOKIES},
        }
    )
    response.set_cookie("seen", "yes")
    for part in AsgiHandler.encode_response(response):
        message.reply_channel.send(part)


def answer_at_once(message):
    """Answer before the end, and save something after it."""
    for part in AsgiHandler.encode_response(HttpResponse("at once")):
        message.reply_channel.send(part, immediately=True)
    Note.objects.create(text="after the answer")


@http_session
def answer_session(message):
    """Answer with the session of the views, and change it if there is one."""
    session = message.http_session
    if session is None:
        answer(message, b"no session")
        return
    session["consumers"] = session.get("consumers", 0) + 1
    answer(message, json.dumps(sorted(session.items())).encode())


@http_session_user
def answer_user(message):
    """Answer with the user."""
    answer(message, f"user: {message.user.username}".encode())


def answer_later(message):
    """Leave the answer to a consumer of another channel."""
    Channel("pages.later").send(
        {
            "reply_channel": message.reply_channel.name,
            "text": message.content["query_string"].decode("latin1"),
        }
    )


def answer_for_another(message):
    """Answer a request of another message."""
    answer(message, f"later: {message['text']}".encode())


def wait_for_topic(message, topic):
    """Answer when somebody tells something about the topic."""
    Group(f"topic-{topic}").add(message.reply_channel)


def follow_topic(message, topic):
    """Begin an answer which goes on when somebody tells something."""
    Group(f"topic-{topic}").add(message.reply_channel)
    answer(message, b"following: ", more=True)


def note_gone(message, topic):
    """A reader of a topic left, or has its answer."""
    Group(f"topic-{topic}").discard(message.reply_channel)
    Gone.objects.create(path=message["path"])


def connect(message):
    """Hear what views and consumers tell."""
    Group("sockets").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def disconnect(message):
    """Hear it no more."""
    Group("sockets").discard(message.reply_channel)


def tell_waiting(message, topic, text):
    """Answer all who wait for a topic."""
    Group(f"topic-{topic}").send({"status": 200, "headers": TEXT, "content": text.encode()})


def tell_following(message, topic, more, text):
    """Send a piece to all who follow a topic, the last one without a `+`."""
    Group(f"topic-{topic}").send({"content": text.encode(), "more_content": more == "+"})


def look_for_note(message):
    """Tell whether the row that a view has sent is there."""
    note = Note.objects.filter(pk=message["note"]).first()
    Group("sockets").send({"text": f"found: {note}"})
