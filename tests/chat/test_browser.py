"""The page in a real browser, against a real server."""

import re
from collections.abc import Callable

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.conftest import StartServer
from tests.processes.server import Server
from tests.processes.waiting import wait_for


class Tab:
    """One tab of the browser, in a room."""

    def __init__(self, browser: Chrome, url: str, *, is_first: bool = False) -> None:
        self.browser = browser
        if not is_first:
            browser.switch_to.new_window("tab")
        self.handle = browser.current_window_handle
        browser.get(url)

    def __enter__(self) -> "Tab":
        self.browser.switch_to.window(self.handle)
        return self

    def __exit__(self, *error: object) -> None:
        pass

    @property
    def state(self) -> str:
        with self:
            return self.browser.find_element(By.ID, "status").get_attribute("data-state") or ""

    def wait_until(self, state: str) -> None:
        wait_for(lambda: self.state == state, f"the state {state}")

    def say(self, message: str, name: str = "ann") -> None:
        with self:
            handle = self.browser.find_element(By.ID, "handle")
            handle.clear()
            handle.send_keys(name)
            self.browser.find_element(By.ID, "text").send_keys(message, Keys.ENTER)

    def messages(self, selector: str = "[data-id]") -> list[str]:
        """The texts of the messages in the log: those that came back, or others."""
        with self:
            found = self.browser.find_elements(By.CSS_SELECTOR, f".message{selector} .text")
            return [text.text for text in found]

    def wait_for_messages(self, *messages: str, selector: str = "[data-id]") -> None:
        def seen() -> bool:
            try:
                return self.messages(selector) == list(messages)
            except StaleElementReferenceException:
                return False

        wait_for(seen, lambda: f"{messages}; there is {self.messages('')}", timeout=30)


@pytest.fixture
def open_tab(browser: Chrome) -> Callable[[Server, str], Tab]:
    tabs: list[Tab] = []

    def open_tab(server: Server, path: str) -> Tab:
        tabs.append(Tab(browser, server.url + path, is_first=not tabs))
        return tabs[-1]

    return open_tab


OpenTab = Callable[[Server, str], Tab]


def test_two_tabs_talk(start_runserver: StartServer, open_tab: OpenTab) -> None:
    server = start_runserver()
    ann, bob = open_tab(server, "/lobby/"), open_tab(server, "/lobby/")
    ann.wait_until("open")
    bob.wait_until("open")
    ann.say("hi bob")
    bob.wait_for_messages("hi bob")
    bob.say("hi ann", name="bob")
    ann.wait_for_messages("hi bob", "hi ann")
    bob.wait_for_messages("hi bob", "hi ann")
    with ann:
        names = ann.browser.find_elements(By.CSS_SELECTOR, ".message .handle")
        assert [name.text for name in names] == ["ann", "bob"]


def test_two_rooms_do_not_hear_each_other(start_runserver: StartServer, open_tab: OpenTab) -> None:
    server = start_runserver()
    one, two = open_tab(server, "/one/"), open_tab(server, "/two/")
    one.wait_until("open")
    two.wait_until("open")
    one.say("in one")
    one.wait_for_messages("in one")
    two.say("in two")
    two.wait_for_messages("in two")
    one.say("more in one")
    one.wait_for_messages("in one", "more in one")


def test_a_reloaded_page_shows_the_history_and_knows_the_name(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(), "/lobby/")
    tab.say("before the reload")
    tab.wait_for_messages("before the reload")
    tab.browser.refresh()
    tab.wait_for_messages("before the reload")
    assert tab.browser.find_element(By.ID, "handle").get_attribute("value") == "ann"


def test_the_server_stops_and_starts_and_the_page_catches_up(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver()
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.say("before")
    tab.wait_for_messages("before")
    server.stop()
    tab.wait_until("lost")
    shown = tab.browser.find_element(By.ID, "status").text
    assert re.search(r"Connection lost \(\d+\)\.\s+Next try in \d+ s", shown)
    tab.say("while it was away")
    tab.wait_for_messages("while it was away", selector="[data-state=sending]")
    tab.browser.execute_script("window.waits = true")

    server = start_runserver(port=server.port)
    with server.join("lobby") as bob:
        bob.say("said meanwhile", handle="bob")
        bob.hear_message("said meanwhile")
    tab.wait_until("open")
    wait_for(lambda: len(tab.messages()) == 3, lambda: f"3 messages: {tab.messages()}", 30)
    assert tab.messages()[0] == "before"
    assert sorted(tab.messages()) == ["before", "said meanwhile", "while it was away"]
    assert tab.messages("[data-state]") == []
    assert tab.browser.execute_script("return window.waits") is True


def test_a_message_that_was_sending_survives_a_reload(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver(env={"CHAT_RATE_LIMIT": "1/2"})
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.say("first")
    tab.wait_for_messages("first")
    tab.say("second")
    wait_for(lambda: tab.messages("[data-state=waiting]"), "a message that waits")
    tab.browser.refresh()
    tab.wait_for_messages("first", "second")


def test_too_fast_messages_wait_and_come_in_order(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(env={"CHAT_RATE_LIMIT": "2/1"}), "/lobby/")
    tab.wait_until("open")
    for number in range(4):
        tab.say(f"m{number}")
    tab.wait_for_messages("m0", "m1", "m2", "m3")


def test_a_refused_message_says_why_and_can_be_edited(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(), "/lobby/")
    tab.wait_until("open")
    tab.say("hello", name="a\u200b")
    tab.wait_for_messages("hello")
    # The page knows the limits that the server has; a tab from before a change of them does not.
    tab.browser.execute_script("document.getElementById('text').value = 'a\\0b'")
    tab.browser.find_element(By.ID, "text").send_keys(Keys.ENTER)
    trouble = wait_for(
        lambda: tab.browser.find_elements(By.CSS_SELECTOR, "[data-state=failed] .trouble"),
        "a message that failed",
    )
    assert "NUL" in trouble[0].text
    trouble[0].find_element(By.XPATH, ".//button[text()='Edit']").click()
    text = tab.browser.find_element(By.ID, "text")
    assert text.get_attribute("value") == "a\0b"
    tab.wait_for_messages("hello", selector="")


HTML = "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\">"


def test_html_is_shown_as_text(start_runserver: StartServer, open_tab: OpenTab) -> None:
    server = start_runserver()
    tab = open_tab(server, "/lobby/")
    tab.say(HTML, name="<b>eve</b>")
    tab.wait_for_messages(HTML)
    tab.browser.refresh()
    tab.wait_for_messages(HTML)
    assert tab.browser.find_elements(By.CSS_SELECTOR, ".log img, .log script, .log b") == []
    assert tab.browser.find_element(By.CSS_SELECTOR, ".log .handle").text == "<b>eve</b>"
    assert tab.browser.title == "lobby · Chat"


def test_links_become_links_safely(start_runserver: StartServer, open_tab: OpenTab) -> None:
    tab = open_tab(start_runserver(), "/lobby/")
    said = (
        'See https://example.org/a_(b)?c=1#d, or "http://example.com". javascript:alert(1) ftp://x'
    )
    tab.say(said)
    tab.wait_for_messages(said)
    links = tab.browser.find_elements(By.CSS_SELECTOR, ".log a")
    assert [link.text for link in links] == [
        "https://example.org/a_(b)?c=1#d",
        "http://example.com",
    ]
    assert {link.get_attribute("rel") for link in links} == {"noopener noreferrer nofollow"}


def test_shift_and_enter_is_a_new_line(start_runserver: StartServer, open_tab: OpenTab) -> None:
    tab = open_tab(start_runserver(), "/lobby/")
    tab.say("one" + Keys.SHIFT + Keys.ENTER + Keys.NULL + "two")
    tab.wait_for_messages("one\ntwo")


def test_without_a_name_the_page_asks_for_one(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(), "/lobby/")
    tab.browser.find_element(By.ID, "text").send_keys("hi", Keys.ENTER)
    assert tab.browser.find_element(By.ID, "notice").text == "Choose a name first."
    assert tab.browser.switch_to.active_element.get_attribute("id") == "handle"
    tab.browser.switch_to.active_element.send_keys("ann", Keys.ENTER)
    tab.wait_for_messages("hi")


def test_scrolling_back_brings_earlier_messages(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver(env={"CHAT_RATE_LIMIT": "0"})
    with server.join("lobby") as bob:
        for number in range(130):
            bob.say(f"m{number}")
        bob.hear_message("^m129$")
    tab = open_tab(server, "/lobby/")
    assert len(tab.messages()) == 50
    for count in (100, 130):
        tab.browser.execute_script("document.getElementById('scroll').scrollTop = 0")
        wait_for(lambda: len(tab.messages()) >= count, f"{count} messages")  # noqa: B023
    assert tab.messages() == [f"m{number}" for number in range(130)]
    assert not tab.browser.find_element(By.ID, "older").is_displayed()


def test_who_reads_above_stays_there_and_is_led_down(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver(env={"CHAT_RATE_LIMIT": "0"})
    tab = open_tab(server, "/lobby/")
    with server.join("lobby") as bob:
        for number in range(40):
            bob.say(f"m{number}")
        bob.hear_message("^m39$")
        wait_for(lambda: len(tab.messages()) == 40, "40 messages")
        at_end = "const s = document.getElementById('scroll');"
        at_end += "return s.scrollHeight - s.scrollTop - s.clientHeight < 5"
        wait_for(lambda: tab.browser.execute_script(at_end), "the view at the end")
        tab.browser.execute_script("document.getElementById('scroll').scrollTop = 300")
        newest = tab.browser.find_element(By.ID, "newest")
        bob.say("below")
        wait_for(newest.is_displayed, "the button that leads down")
        top = "return document.getElementById('scroll').scrollTop"
        assert tab.browser.execute_script(top) == 300
        newest.click()
        wait_for(lambda: tab.browser.execute_script(at_end), "the view at the end")
        assert not newest.is_displayed()


def test_the_door_leads_to_a_room_of_any_name(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(), "/")
    tab.browser.find_element(By.ID, "name").send_keys("Café am Eck", Keys.ENTER)
    wait_for(lambda: tab.browser.title == "Café am Eck · Chat", "the room")
    tab.say("hi")
    tab.wait_for_messages("hi")
    tab.browser.find_element(By.CSS_SELECTOR, ".home").click()
    wait_for(lambda: tab.browser.title == "Chat", "the door")
    assert tab.browser.find_element(By.CSS_SELECTOR, "#rooms .name").text == "Café am Eck"


def test_the_new_room_button_leads_to_a_new_room(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(), "/")
    tab.browser.find_element(By.ID, "new-room").click()
    wait_for(lambda: re.search(r"/[a-z]+-[a-z]+-\d+/$", tab.browser.current_url), "a new room")
    tab.wait_until("open")


def test_a_page_that_is_left_closes_its_socket(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver()
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.browser.get(server.url + "/")
    server.process.wait_for_line("WebSocket DISCONNECT /chat/lobby/")


def test_the_console_of_the_browser_is_quiet(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver()
    for path in ("/", "/lobby/"):
        tab = open_tab(server, path)
    tab.say("hi")
    tab.wait_for_messages("hi")
    assert tab.browser.get_log("browser") == []


def test_a_socket_that_swallows_messages_is_given_up(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(), "/lobby/")
    tab.wait_until("open")
    tab.browser.execute_script(
        "WebSocket.prototype.realSend = WebSocket.prototype.send;"
        "WebSocket.prototype.send = () => {};"
    )
    tab.say("swallowed")
    tab.wait_for_messages("swallowed", selector="[data-state=sending]")
    tab.browser.execute_script(
        "WebSocket.prototype.send = WebSocket.prototype.realSend;"
        "const now = Date.now; Date.now = () => now() + 60_000;"
    )
    tab.wait_for_messages("swallowed")


def test_a_phone_shows_all_without_scrolling_sideways(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    server = start_runserver()
    tab = open_tab(server, "/")
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    tab.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    width = "return Math.max(window.innerWidth, document.documentElement.scrollWidth)"
    assert tab.browser.execute_script(width) == 390
    tab.browser.find_element(By.ID, "name").send_keys("a long name of a room " * 4, Keys.ENTER)
    tab.wait_until("open")
    tab.say("x" * 200, name="y" * 40)
    tab.wait_for_messages("x" * 200)
    assert tab.browser.execute_script(width) == 390
