"""The JavaScript client in a real browser, on a network that lets no WebSocket through."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver import Chrome

from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb, StartWorker
from tests.processes.fallback_client import Fallback
from tests.processes.strict_proxy import StrictProxy, strict_proxy

ENV = {
    "DJANGO_SETTINGS_MODULE": "tests.processes.fallbacks",
    "LIMITS": json.dumps({"FALLBACK_TIMEOUT": 6.0}),
}
PATH = "/room/browser/"


@pytest.fixture
def server(start_web: StartWeb, start_worker: StartWorker) -> Server:
    start_worker(env=ENV)
    return start_web("uvicorn", env=ENV)


@pytest.fixture
def proxy(server: Server) -> Iterator[StrictProxy]:
    with strict_proxy(server.port) as made:
        yield made


class Page:
    """The page, whose `connection` is open."""

    def __init__(self, browser: Chrome, url: str, **options: Any) -> None:
        self.browser = browser
        self.url = f"{url}/?options={quote(json.dumps(options))}"
        self.load()

    def load(self) -> None:
        self.browser.get(self.url)
        self.wait_until_open()

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def wait_until_open(self) -> None:
        wait_for(lambda: self.run("return window.connection?.isOpen"), self.describe)

    def describe(self) -> str:
        return f"{self.run('return [states, texts]')} {self.browser.get_log('browser')}"

    @property
    def texts(self) -> list[str]:
        """What has come, without answers to probes."""
        found: list[str] = self.run("return texts.filter((text) => text !== 'probe')")
        return found

    def says(self, *texts: str) -> None:
        self.run(f"for (const text of {json.dumps(texts)}) connection.send(text)")

    def hears(self, *texts: str) -> None:
        wait_for(lambda: self.texts == list(texts), self.describe)

    @property
    def remembered(self) -> str:
        """How frames come, as the tab remembers it."""
        text: str = self.run("return sessionStorage.getItem('channels-workers.transport') ?? ''")
        return text.partition(" ")[2]


def ends(redis_server: RedisServer) -> list[bytes]:
    with redis_server.client() as client:
        found: list[bytes] = client.lrange(f"ended:{PATH}", 0, -1)
        return found


@pytest.mark.parametrize("websockets", ["refused", "unanswered", "cut"])
def test_the_page_falls_back_to_events(
    websockets: str, browser: Chrome, proxy: StrictProxy, server: Server, redis_server: RedisServer
) -> None:
    proxy.websockets = websockets
    page = Page(browser, proxy.url, openTimeout=1_000 if websockets == "unanswered" else 30_000)
    wait_for(lambda: page.remembered == "sse", page.describe)
    assert proxy.upgrades == (1 if websockets == "unanswered" else 2)
    page.says("one", "two")
    page.hears("one", "two")
    other = Fallback([server.port], PATH).open()
    other.send("three")
    page.hears("one", "two", "three")
    page.says("many 300 400")  # more than the server keeps without a confirmation
    wait_for(lambda: len(page.texts) == 303, page.describe)
    other.close()
    page.run("connection.close(3001)")
    wait_for(lambda: b"3001" in ends(redis_server), "the disconnect")


def test_events_that_a_proxy_collects(browser: Chrome, proxy: StrictProxy) -> None:
    proxy.collects = True
    page = Page(browser, proxy.url, streamTimeout=500)
    page.says("one")
    page.hears("one")
    wait_for(lambda: page.remembered == "poll", page.describe)


def test_the_next_page_of_the_tab_knows_and_tries_a_websocket_later(
    browser: Chrome, proxy: StrictProxy, redis_server: RedisServer
) -> None:
    page = Page(browser, proxy.url)
    wait_for(lambda: page.remembered == "sse", page.describe)
    upgrades = proxy.upgrades
    page.load()
    # The page that was left has said so.
    wait_for(lambda: ends(redis_server) in ([b"1001"], [b"1000"]), lambda: f"{ends(redis_server)}")
    assert proxy.upgrades == upgrades
    assert page.run("return states") == ["connecting", "open"]
    page.says("zero")
    page.hears("zero")  # it came by the stream, so the page has remembered how
    proxy.websockets = "passed"
    page.run("sessionStorage.setItem('channels-workers.transport', '1 sse')")
    page.load()
    assert proxy.upgrades == upgrades + 1, page.describe()
    page.says("one")
    page.hears("one")


def test_a_browser_reads_frames_that_were_compressed_once_for_a_group(
    browser: Chrome, proxy: StrictProxy
) -> None:
    proxy.websockets = "passed"
    page = Page(browser, proxy.url)
    page.says("a" * 300, "many 2 400", "short", "hello again " * 2_000, "many 1 400", "ö" * 200)
    own = [f"{number}:{'x' * 400}" for number in (0, 1)]
    group = ["short", "hello again " * 2_000]
    page.hears("a" * 300, *own, *group, own[0], "ö" * 200)
    assert proxy.deflated == 1


def test_a_cut_network_loses_and_doubles_nothing(
    browser: Chrome, proxy: StrictProxy, server: Server, redis_server: RedisServer
) -> None:
    page = Page(browser, proxy.url)
    other = Fallback([server.port], PATH).open()
    sent = [f"{number}" for number in range(40)]
    for number, text in enumerate(sent):
        page.says(text) if number % 2 else other.send(text)
        if number % 5 == 4:
            proxy.cut()
    wait_for(lambda: len(page.texts) == len(sent), page.describe)
    assert sorted(page.texts, key=int) == sent
    assert [text for text in page.texts if int(text) % 2] == sent[1::2]
    assert [text for text in page.texts if not int(text) % 2] == sent[::2]
    assert page.run("return states.filter((state) => state === 'lost').length") <= 2  # before
    assert ends(redis_server) == []  # it is one connection all the time
    other.close()


def test_a_network_that_is_away_for_long(
    browser: Chrome, proxy: StrictProxy, redis_server: RedisServer
) -> None:
    page = Page(browser, proxy.url)
    wait_for(lambda: page.remembered == "sse", page.describe)
    proxy.is_down = True
    proxy.cut()
    wait_for(lambda: ends(redis_server) == [b"1006"], "the disconnect")
    wait_for(lambda: page.run("return states.at(-1) !== 'open'"), page.describe)
    assert page.remembered == "sse"  # that nothing answers says nothing about WebSockets
    proxy.is_down = False
    page.wait_until_open()
    page.says("again")
    page.hears("again")
    assert ends(redis_server) == [b"1006"]


def test_a_server_that_is_killed(
    browser: Chrome,
    proxy: StrictProxy,
    server: Server,
    start_web: StartWeb,
    redis_server: RedisServer,
) -> None:
    page = Page(browser, proxy.url)
    page.says("before")
    page.hears("before")
    server.process.kill()
    proxy.to = start_web("daphne", env=ENV).port
    wait_for(lambda: ends(redis_server) == [b"1006"], "the disconnect")
    wait_for(
        lambda: page.run("return states.filter((s) => s === 'open').length === 2"), page.describe
    )
    page.says("after")
    page.hears("before", "after")


def test_a_page_that_was_frozen(
    browser: Chrome, proxy: StrictProxy, redis_server: RedisServer
) -> None:
    """As on a laptop that sleeps: no script runs, and the network is gone."""
    page = Page(browser, proxy.url)
    page.says("before")
    page.hears("before")
    browser.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "frozen"})
    proxy.is_down = True
    proxy.cut()
    wait_for(lambda: ends(redis_server) == [b"1006"], "the disconnect")
    proxy.is_down = False
    browser.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "active"})
    wait_for(
        lambda: page.run("return states.filter((s) => s === 'open').length === 2"), page.describe
    )
    page.says("after")
    page.hears("before", "after")


def test_a_short_sleep_goes_on_with_the_same_connection(
    browser: Chrome, proxy: StrictProxy, server: Server, redis_server: RedisServer
) -> None:
    page = Page(browser, proxy.url)
    wait_for(lambda: page.remembered == "sse", page.describe)
    browser.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "frozen"})
    other = Fallback([server.port], PATH).open()
    other.send("meanwhile")
    other.close()
    browser.execute_cdp_cmd("Page.setWebLifecycleState", {"state": "active"})
    page.hears("meanwhile")
    wait_for(lambda: ends(redis_server) == [b"1000"], "the end of the other one")


def test_binary_frames(browser: Chrome, proxy: StrictProxy) -> None:
    page = Page(browser, proxy.url)
    page.run("connection.on('data', (data) => { window.got = data; })")
    page.run("connection.send(new Uint8Array([0, 1, 255]).buffer)")
    script = "return window.got instanceof ArrayBuffer && [...new Uint8Array(window.got)]"
    assert wait_for(lambda: page.run(script), page.describe) == [0, 1, 255]


#: What a page of another site may try, by what keeps it from opening a socket.
ATTACKS = {
    "a preflight": """
        const headers = {"Content-Type": "application/json", "Channels-Workers-Transport": "open"};
        return fetch(address, {method: "POST", credentials: "include", headers, body: "{}"})
    """,
    "the missing header": """
        const headers = {"Content-Type": "text/plain"};
        const options = {method: "POST", mode: "no-cors", credentials: "include", headers};
        return fetch(address, {...options, body: "{}"})
    """,
    "the missing header of a beacon": """
        const body = new Blob(["{}"], {type: "text/plain"});
        return Promise.resolve(navigator.sendBeacon(address, body))
    """,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_page_of_another_site_opens_nothing(
    attack: str, browser: Chrome, proxy: StrictProxy, server: Server, redis_server: RedisServer
) -> None:
    browser.get(f"{proxy.url}/client/wakeup.js")  # another port is another origin
    script = f"const address = arguments[0], end = arguments[1]; (() => {{{attack}}})()"
    script += ".then((answer) => end(answer.ok ?? answer), (error) => end(error.name))"
    told = browser.execute_async_script(script, f"{server.url}/room/attacked/")
    assert told in ("TypeError", False, True)
    client = Fallback([server.port], "/room/attacked/").open()  # after whatever it did
    with redis_server.client() as redis:
        assert redis.llen("connected:/room/attacked/") == 1
    client.close()
