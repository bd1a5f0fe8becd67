"""Settings and consumers that fork. The client's message selects how."""

import multiprocessing
import os
import time

from channels_workers import Group, route
from channels_workers.message import Message
from chat_project.settings import *  # noqa: F403

CHANNEL_ROUTING = "tests.processes.forking.channel_routing"

processes = multiprocessing.get_context("fork")


def connect(message: Message) -> None:
    Group("all").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


def send(text: str) -> None:
    Group("all").send({"text": text})
    Group("all").send({"text": f"{text} at once"}, immediately=True)


def wait() -> None:
    time.sleep(600)


def receive(message: Message) -> None:
    match message["text"]:
        case "send":
            child = processes.Process(target=send, args=("from the child",))
            child.start()
            child.join()
            message.reply_channel.send({"text": f"ended with {child.exitcode}"})
        case "end":
            child = processes.Process(target=wait)
            child.start()
            child.terminate()
            child.join()
            message.reply_channel.send({"text": f"ended with {child.exitcode}"})
        case "return":
            message.reply_channel.send({"text": "from both"})
            if child_id := os.fork():
                _, status = os.waitpid(child_id, 0)
                text = f"ended with {os.waitstatus_to_exitcode(status)}"
                message.reply_channel.send({"text": text})
        case text:
            message.reply_channel.send({"text": text})


channel_routing = [
    route("websocket.connect", connect),
    route("websocket.receive", receive),
]
