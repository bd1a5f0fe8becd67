"""Sockets that move between groups: when joins and leaves act, and when sends do."""

from channels import Group


def ws_connect(message):
    """Welcome those who are there, then join. A new member hears the welcome, too."""
    Group("all").send({"text": "somebody comes"})
    Group("all").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def ws_receive(message):
    """Carry out the words of a frame in their order: a sign, and the name of a group."""
    for number, word in enumerate(message["text"].split()):
        group = Group(word[1:] or "all")
        text = {"text": f"{number} {word}"}
        if word[0] == "+":
            group.add(message.reply_channel)
        elif word[0] == "-":
            group.discard(message.reply_channel)
        elif word[0] == "!":
            group.send(text, immediately=True)
        else:
            group.send(text)


channel_routing = {
    "websocket.connect": ws_connect,
    "websocket.receive": ws_receive,
}
