"""The chat on a network that lets no WebSocket through."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.tab import Tab
from tests.processes.strict_proxy import StrictProxy, strict_proxy

LOADED = """
    return performance.getEntriesByType("resource")
      .some(({ name }) => name.endsWith(document.body.dataset.http))
"""


@pytest.fixture
def proxy(chat_server: Server) -> Iterator[StrictProxy]:
    with strict_proxy(chat_server.port) as made:
        yield made


def test_the_chat_goes_on_over_http(
    browser: Chrome, proxy: StrictProxy, chat_server: Server
) -> None:
    tab = Tab(browser, f"{proxy.url}/fallback/", is_first=True)
    tab.wait_until("open")
    tab.say("by HTTP")
    tab.wait_for_messages("by HTTP")
    with chat_server.join("fallback") as bob:
        bob.say("by a WebSocket", handle="bob")
        tab.wait_for_messages("by HTTP", "by a WebSocket")
        proxy.cut()
        bob.say("after a cut", handle="bob")
        tab.wait_for_messages("by HTTP", "by a WebSocket", "after a cut")
    assert tab.state == "open"
    kept = "return sessionStorage.getItem('channels-workers.transport')"
    wait_for(lambda: str(tab.run(kept)).endswith(" sse"), "what the tab remembers")
    assert [line for line in browser.get_log("browser") if "Security" in line["message"]] == []


def test_a_handshake_without_an_answer(browser: Chrome, proxy: StrictProxy) -> None:
    proxy.websockets = "unanswered"
    tab = Tab(browser, f"{proxy.url}/unanswered/", is_first=True)
    tab.wait_until("open")
    tab.say("hello")
    tab.wait_for_messages("hello")


def test_where_websockets_pass_nothing_more_is_loaded(browser: Chrome, proxy: StrictProxy) -> None:
    proxy.websockets = "passed"
    tab = Tab(browser, f"{proxy.url}/passed/", is_first=True)
    tab.say("hello")
    tab.wait_for_messages("hello")
    assert not tab.run(LOADED)
    proxy.cut()
    tab.wait_until("open")
    wait_for(lambda: tab.run(LOADED), "the module")
