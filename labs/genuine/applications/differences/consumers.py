"""Consumers that bring out differences between the engines."""

import time

from channels import Group
from channels.exceptions import ConsumeLater
from django.contrib.auth.models import User

#: Messages that this worker has postponed.
put_off = set()


def connect(message):
    """Accept everybody."""
    message.reply_channel.send({"accept": True})


def connect_silent(message):
    """Do not answer."""


def connect_wrong(message):
    """Raise an exception before the answer."""
    raise RuntimeError("a mistake in a connect consumer")


def echo(message):
    """Send a frame back, a slow one after a while."""
    if message["text"] == "slow":
        time.sleep(2)
    message.reply_channel.send({"text": message["text"]})


def work(message):
    """Announce the begin and the end of the work."""
    message.reply_channel.send({"text": "begun"}, immediately=True)
    time.sleep(2)
    message.reply_channel.send({"text": "done"})


def connect_member(message):
    """Join a group and never leave it."""
    Group("members").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def tell_members(message):
    """Send to all members."""
    Group("members").send({"text": message["text"]})


def send_poison(message):
    """Send three messages, the second with a set, which cannot be serialised."""
    message.reply_channel.send({"text": "before"})
    try:
        message.reply_channel.send({"text": "poison", "with": {1, 2}})
    except Exception:  # noqa: BLE001  (which one is what the engines differ in)
        message.reply_channel.send({"text": "cannot be sent"})
    message.reply_channel.send({"text": "after"})


def put_off_once(message):
    """Send something and postpone the first frame. The second run accepts it."""
    message.reply_channel.send({"text": "a run"})
    if message["text"] not in put_off:
        put_off.add(message["text"])
        raise ConsumeLater
    message.reply_channel.send({"text": "taken"})


def close_badly(message):
    """Close with a reserved code. Echo everything else."""
    if message["text"] == "close":
        message.reply_channel.send({"close": 1001})
    else:
        echo(message)


def fail_request(message):
    """Raise an exception instead of an answer."""
    raise RuntimeError("a mistake in a consumer of http.request")


def answer_later(message):
    """Answer the request of a view that has left this to others."""
    message.reply_channel.send({"status": 200, "headers": [], "content": b"later"})


def look_for_row(message):
    """Tell the members whether the row from a view's message exists."""
    found = User.objects.filter(pk=message["user"]).exists()
    Group("members").send({"text": "the row is there" if found else "there is no row"})
