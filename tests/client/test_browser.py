"""The Client in Chrome, from the bundle for a script tag, with a real server and worker."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from selenium.webdriver import Chrome

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker
from tests.processes.tokens import SECRET

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.processes.enveloped"}

#: Makes `window.client`, which has joined `news`, and records what happens in `window.events`.
CONNECT = """
    const [bundle, token] = arguments;
    (0, eval)(bundle + ";window.ChannelsWorkers = ChannelsWorkers");
    const events = window.events = [];
    const options = { token: async () => token, firstDelay: 50, longestDelay: 300 };
    const client = window.client = new ChannelsWorkers.Client("/board/", options);
    client.on("state", ({ name }) => events.push(name));
    client.on("failure", ({ isReachable }) => events.push(`reachable ${isReachable}`));
    const news = window.news = client.join("news", { storage: sessionStorage });
    news.on("message", ({ payload }) => events.push(payload));
    news.on("gap", () => events.push("gap"));
    client.open();
"""


class Page:
    """A page of *server* with a Client."""

    def __init__(self, browser: Chrome, server: Server, bundle: str, token: str) -> None:
        self._browser, self._server = browser, server
        self._arguments = bundle, token
        browser.get(f"{server.url}/")
        self.connect()

    def connect(self) -> None:
        self._browser.execute_script(CONNECT, *self._arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        return self._browser.execute_script(script, *arguments)

    def request(self, number: int) -> Any:
        ask = "client.stream('double').request(arguments[0]).then(arguments[1], arguments[1])"
        return self._browser.execute_async_script(ask, number)

    def say(self, number: int) -> None:
        self.run("client.stream('say').sendReliably(arguments[0])", number)

    def wait_for(self, *events: Any) -> None:
        expected = list(events)
        found: list[Any] = []

        def has_come() -> bool:
            found[:] = self.run("return events")
            return found == expected

        wait_for(has_come, lambda: f"the events {expected}, not {found}")

    def reload(self) -> None:
        self._browser.refresh()
        self.connect()


@pytest.fixture
def page(
    browser: Chrome, made: Path, user_key: str, start_web: StartWeb, start_worker: StartWorker
) -> Page:
    start_worker(env=SETTINGS)
    bundle = (made / "channels-workers.js").read_text()
    token = jwt.encode({"sub": user_key, "exp": time.time() + 600}, SECRET)
    return Page(browser, start_web(env=SETTINGS), bundle, token)


def test_a_page_asks_and_confirms_and_gets_what_it_missed(page: Page) -> None:
    page.wait_for("connecting", "open")
    assert page.run("return client.connection.state.name") == "open"
    assert page.request(21) == 42
    page.say(1)
    page.wait_for("connecting", "open", 1)
    wait_for(lambda: page.run("return client.outbox.size") == 0, "the confirmation")
    page.run("client.connection.restart()")
    page.say(2)
    page.wait_for("connecting", "open", 1, "lost", "connecting", "open", 2)
    page.reload()
    page.wait_for("connecting", "open")
    assert page.request(1) == 2
    page.run(
        """
        news.leave();
        sessionStorage.setItem("channels-workers.at.news", arguments[0]);
        """,
        page.run("return news.at").replace(":2", ":1"),
    )
    page.reload()
    page.wait_for("connecting", "open", 2)


def test_a_page_that_comes_back_from_the_cache_connects_again(page: Page) -> None:
    page.wait_for("connecting", "open")
    page.run("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    page.run("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    page.wait_for("connecting", "open", "closed", "connecting", "open")
    assert page.request(1) == 2


def test_a_page_learns_that_it_is_refused(page: Page) -> None:
    page.run(
        """
        const options = { token: async () => "wrong", firstDelay: 60_000 };
        const other = new ChannelsWorkers.Client("/board/", options);
        other.on("failure", ({ isReachable }) => events.push(isReachable));
        other.open();
        """
    )
    page.wait_for("connecting", "open", True)
