"""Sends that happen at another time than in 1.1.8 get a note."""

import pytest

from .moving import findings

BEGINNING = "from channels import Channel, Group\n"

CASES = {
    "a view": (
        "def invite(request, name):\n    save()\n    Channel('a').send({})\n",
        ["4: `Channel(...).send` in a view"],
    ),
    "a method of a view": (
        "class A:\n    def post(self, request):\n        channels.Group('a').send({})\n",
        ["4: `Group(...).send` in a view"],
    ),
    "a class of views": (
        "class A(generic.CreateView):\n    def form_valid(self, form):\n"
        "        Group(a).send({})\n",
        ["4: `Group(...).send` in a view"],
    ),
    "receivers": (
        "@receiver(post_save, sender=A)\ndef f(instance, **kw):\n    Group('a').send({})\n"
        "def g(sender, **kw):\n    Group('a').send({})\n",
        [
            "4: `Group(...).send` in a receiver of a signal",
            "6: `Group(...).send` in a receiver of a signal",
        ],
    ),
    "models": (
        "class A(models.Model):\n    def save(self):\n        Group('a').send({})\n"
        "    def other(self):\n        Group('a').send({})\n",
        ["4: `Group(...).send` in `save` of a model"],
    ),
    "what is sent at once, or after the commit": (
        "def f(request):\n    Channel('a').send({}, immediately=True)\n"
        "    transaction.on_commit(lambda: Group('a').send({}))\n"
        "    def send():\n        Group('a').send({})\n    mail.send({})\n",
        [],
    ),
    "consumers": ("def f(message):\n    Group('a').send({})\n    Group('a').discard\n", []),
    "joins and leaves, which act when they did": (
        "def f(message):\n    Group('a').send({})\n    Group('a').add(y)\n    A.objects.all()\n"
        "    Group('a').send({})\n    Group('a').discard(y)\n",
        [],
    ),
}

ANSWERS = {
    "def ws_connect(message, room):\n    Group(room).add(message.reply_channel)\n": True,
    "class A:\n    def connect(self, message, **kw): self.x = 1\n": True,
    "def ws_add(message): ...\n": True,
    'def ws_connect(message):\n    message.reply_channel.send({"accept": True})\n': False,
    'def ws_connect(message):\n    message.reply_channel.send({"close": True})\n': False,
    "def ws_connect(message):\n    raise DenyConnection\n": False,
    "class A:\n    def connect(self, message): super().connect(message)\n": False,
    "class A:\n    def connect(self, message): self.close()\n": False,
    "class A:\n    def connect(self, message): self.send({})\n": False,
    "class A:\n    def connect(self, message, multiplexer): ...\n": False,
    "def connect(message): message.reply_channel.send(answer)\n": False,
    "def ws_disconnect(message): ...\n": False,
    "def connect(host): ...\n": False,
}


@pytest.mark.parametrize("text", ANSWERS)
def test_connects_that_never_answer(text: str) -> None:
    found = findings(BEGINNING + text)
    assert bool(found) is ANSWERS[text]
    assert all(note.is_note and '"CONNECT": "accept"' in note.cure for note in found)


@pytest.mark.parametrize("case", CASES)
def test_noted_sends(case: str) -> None:
    text, said = CASES[case]
    found = findings(BEGINNING + text)
    assert [f"{note.line}: {note.what}" for note in found] == said
    assert all(note.is_note for note in found)
