"""`channels.WebSocketBridge` of Channels 1.x in a real browser, beside the page of the docs."""

import socket
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from channels_workers.interface.close_codes import SERVER_STOPS
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared, StartServer, StartWeb, StartWorker

BRIDGE = {"DJANGO_SETTINGS_MODULE": "tests.processes.bridge"}
#: Differs from all pauses.
HANDSHAKE = 54_321

#: Makes `window.bridge`, and records what happens to it in `window.events`.
CONNECT = """
    const events = window.events = [];
    const bridge = window.bridge = new channels.WebSocketBridge();
    bridge.connect(arguments[0], undefined, arguments[1]);
    bridge.listen((...all) => events.push(["message", ...all]));
    bridge.socket.addEventListener("open", () => events.push(["open"]));
    bridge.socket.onclose = ({ code, reason }) => events.push(["close", code, reason]);
"""

#: Records the pauses before connections in `window.pauses`. With the argument 0 they last no time.
RECORD_PAUSES = f"""
    const [pace] = arguments;
    const pauses = window.pauses = [];
    const start = window.setTimeout;
    window.setTimeout = (callback, delay) => {{
      if (delay === {HANDSHAKE}) return start(callback, delay);
      pauses.push(delay);
      return start(callback, delay * pace);
    }};
"""

#: Nothing listens there, and the browser does not even try.
CLOSED = "ws://127.0.0.1:1/"


@pytest.fixture(scope="module")
def server(shared: Shared) -> Server:
    """A server of all tests that do not stop it."""
    shared.start_worker(env=BRIDGE)
    return shared.start_web(env=BRIDGE)


class Page:
    """The page of the docs, with a bridge of the test beside its own."""

    def __init__(self, browser: Chrome, server: Server) -> None:
        self._browser = browser
        browser.get(server.url)

    def run(self, script: str, *arguments: object) -> Any:
        return self._browser.execute_script(script, *arguments)

    def connect(self, path: str = "/plain/", **options: object) -> None:
        self.run(CONNECT, path, {"connectionTimeout": HANDSHAKE} | options)

    def events(self, kind: str) -> list[list[Any]]:
        return [event[1:] for event in self.run("return events") if event[0] == kind]

    def wait_for(self, kind: str, number: int = 1) -> list[list[Any]]:
        """The events of this kind, when there are so many."""
        wait_for(
            lambda: len(self.events(kind)) >= number,
            lambda: f"{number} of {kind} in {self.run('return events')}",
            timeout=60,
        )
        return self.events(kind)

    def wait_for_lines(self, *lines: str) -> None:
        """Wait until the page itself shows these lines."""

        def shown() -> list[str]:
            items = self._browser.find_elements(By.CSS_SELECTOR, "#log li")
            return [item.text for item in items]

        wait_for(lambda: shown() == list(lines), lambda: f"{lines}, not {shown()}", timeout=60)


def test_the_page_of_the_docs_survives_a_restart(
    start_runserver: StartServer, browser: Chrome
) -> None:
    server = start_runserver(env=BRIDGE)
    page = Page(browser, server)
    page.wait_for_lines("echo: hello")
    page.run("window.stays = true")
    server.stop()
    state = "return webSocketBridge.socket.readyState === webSocketBridge.socket.OPEN"
    wait_for(lambda: not page.run(state), "the lost connection")
    start_runserver(env=BRIDGE, port=server.port)
    page.wait_for_lines("echo: hello", "echo: hello")
    assert page.run("return stays")


def test_streams_and_frames_without_one(server: Server, browser: Chrome) -> None:
    page = Page(browser, server)
    page.connect()
    page.wait_for("open")
    page.run("bridge.send({ a: 1 }); bridge.send([null]); bridge.send('é')")
    said = [[{"said": each}, None] for each in ({"a": 1}, [None], "é")]
    assert page.wait_for("message", 3) == said
    page.run("bridge.demultiplex('heard', (...all) => events.push(['stream', ...all]))")
    page.run("bridge.stream('heard').send({ b: 2 })")
    sent = {"stream": "heard", "payload": {"b": 2}}
    assert page.wait_for("stream") == [[sent, "heard"]]
    assert page.wait_for("message", 4) == [*said, [{"said": sent}, None]]


def test_nothing_is_queued(server: Server, browser: Chrome) -> None:
    page = Page(browser, server)
    early = "; try { bridge.send(1) } catch (error) { window.thrown = error.name }"
    page.run(CONNECT + early, "/plain/", {"minReconnectionDelay": 10**6})
    assert page.run("return thrown") == "InvalidStateError"
    page.wait_for("open")
    page.run("bridge.send('close')")
    assert page.wait_for("close") == [[4321, ""]]
    page.run("bridge.send('lost')")  # raises nothing, as a WebSocket does
    assert page.wait_for("message") == [[{"said": "close"}, None]]


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_it_reconnects_at_the_time_that_the_server_tells(
    kind: str, start_web: StartWeb, start_worker: StartWorker, browser: Chrome
) -> None:
    env = {**BRIDGE, "DRAIN_TIME": "0.1", "RETURN_TIME": "6"}
    start_worker(env=BRIDGE)
    server = start_web(kind, env=env)
    page = Page(browser, server)
    page.run(RECORD_PAUSES, 1)
    page.connect()
    page.wait_for("open")
    server.process.terminate()
    assert page.wait_for("close")[0] == [SERVER_STOPS, "retry-after: 6"]
    assert 6_000 <= page.run("return pauses[0]") <= 9_000  # its own would be at most 1,000
    start_web(kind, env=env, port=server.port)
    page.wait_for("open", 2)


def test_the_pauses_grow_until_it_gives_up(server: Server, browser: Chrome) -> None:
    page = Page(browser, server)
    page.run(RECORD_PAUSES, 0)
    page.connect(CLOSED, maxRetries=7)
    assert page.wait_for("close", 8) == [[1006, ""]] * 8
    longest = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    for pause, most in zip(page.run("return pauses"), longest, strict=True):
        assert most / 2 <= pause <= most


def test_a_handshake_without_an_answer_is_tried_again(server: Server, browser: Chrome) -> None:
    page = Page(browser, server)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        page.connect(
            f"ws://127.0.0.1:{silent.getsockname()[1]}/", connectionTimeout=300, maxRetries=1
        )
        assert page.wait_for("close", 2) == [[1006, ""]] * 2
    assert page.events("open") == []


def test_only_a_socket_closed_for_good_stays_closed(server: Server, browser: Chrome) -> None:
    page = Page(browser, server)
    page.run(RECORD_PAUSES, 0)
    page.connect()
    page.wait_for("open")
    page.run("bridge.socket.close(1000, '', { delay: 7 })")
    page.wait_for("open", 2)
    page.run("bridge.socket.close(4000, 'bye', { keepClosed: true })")
    assert page.wait_for("close", 2) == [[1000, ""], [4000, "bye"]]
    assert page.run("return pauses") == [7]
    state = "return bridge.socket.readyState === bridge.socket.CLOSED"
    wait_for(lambda: page.run(state), "the closed socket")


def test_a_steady_connection_ends_the_growth(server: Server, browser: Chrome) -> None:
    page = Page(browser, server)
    page.run(RECORD_PAUSES, 0)
    page.run("window.clock = 0; performance.now = () => clock")
    page.connect()
    for number in range(1, 4):
        page.wait_for("open", number)
        page.run("bridge.socket.close()")
    page.wait_for("open", 4)
    page.run("clock = 6_000")
    page.run("bridge.socket.close()")
    pauses = page.run("return pauses")
    assert 2_000 <= pauses[2] <= 4_000
    assert 500 <= pauses[3] <= 1_000


@pytest.mark.parametrize(("is_fast", "state"), [(True, "CLOSING"), (False, "CLOSED")])
def test_the_close_event_comes_at_once_or_after_the_answer(
    is_fast: bool, state: str, server: Server, browser: Chrome
) -> None:
    page = Page(browser, server)
    page.connect()
    page.wait_for("open")
    page.run(
        "bridge.socket.addEventListener('close', () => events.push([bridge.socket.readyState]))"
    )
    page.run(
        "bridge.socket.close(1000, '', { keepClosed: true, fastClose: arguments[0] })", is_fast
    )
    page.wait_for("close")
    assert page.run(f"return events.at(-1)[0] === bridge.socket.{state}")
