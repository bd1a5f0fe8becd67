"""The page's behaviour without a connection, or with a dead one."""

import re

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.conftest import KeepSockets
from tests.chat.tab import OpenTab


def test_a_banner_shows_the_next_attempt_and_allows_an_immediate_one(
    chat_server: Server, open_tab: OpenTab, keep_sockets: KeepSockets
) -> None:
    keep_sockets()
    tab = open_tab(chat_server, "/banner/")
    tab.wait_until("open")
    tab.run("window.block(); window.random = Math.random; Math.random = () => 1e4")  # seconds
    tab.run("window.sockets.at(-1).close()")
    tab.wait_until("lost")
    said = r"Connection lost\.\s+Next try in \d{3,} s\s+Try now"
    wait_for(lambda: re.search(said, "".join(tab.texts("#status"))), "the banner")
    tab.run("window.unblock()")
    tab.find("#now")[0].click()
    tab.wait_until("open")
    assert tab.find("#now") == []


def test_after_sleep_a_dead_socket_is_abandoned(
    chat_server: Server, open_tab: OpenTab, keep_sockets: KeepSockets
) -> None:
    keep_sockets()
    tab = open_tab(chat_server, "/sleep/")
    tab.say("before")
    tab.wait_for_messages("before")
    tab.run(
        "WebSocket.prototype.send = () => {}; window.stillOpen = window.sockets.at(-1).readyState;"
        "const now = Date.now; Date.now = () => now() + 3_600_000;"
    )
    assert tab.run("return window.stillOpen") == 1
    wait_for(lambda: tab.run("return window.sockets.length") > 1, "another socket")


def test_an_offline_page_reconnects_as_soon_as_there_is_a_network(
    chat_server: Server, open_tab: OpenTab, keep_sockets: KeepSockets
) -> None:
    keep_sockets()
    tab = open_tab(chat_server, "/online/")
    tab.wait_until("open")
    tab.run("window.block(); Math.random = () => 1e4; window.sockets.at(-1).close()")
    tab.wait_until("lost")
    tab.run("window.unblock(); window.dispatchEvent(new Event('online'))")
    tab.wait_until("open")
