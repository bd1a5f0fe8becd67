"""What a person sees and does in the page, with a real browser and a real server."""

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab
from tests.conftest import StartServer

HTML = "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\">"


def test_html_is_shown_as_text(runserver: Server, room: str, open_tab: OpenTab) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.say(HTML, name="<b>eve</b>")
    tab.wait_for_messages(HTML)
    tab.browser.refresh()
    tab.wait_for_messages(HTML)
    assert tab.browser.find_elements(By.CSS_SELECTOR, ".log img, .log script, .log b") == []
    assert tab.browser.find_element(By.CSS_SELECTOR, ".log .handle").text == "<b>eve</b>"
    assert tab.browser.title == f"{room} · Chat"


def test_urls_become_safe_links(runserver: Server, room: str, open_tab: OpenTab) -> None:
    tab = open_tab(runserver, f"/{room}/")
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


def test_shift_enter_inserts_a_newline(runserver: Server, room: str, open_tab: OpenTab) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.say("one" + Keys.SHIFT + Keys.ENTER + Keys.NULL + "two")
    tab.wait_for_messages("one\ntwo")


def test_without_a_name_the_page_asks_for_one(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.browser.find_element(By.ID, "text").send_keys("hi", Keys.ENTER)
    assert tab.browser.find_element(By.ID, "notice").text == "Choose a name first."
    assert tab.browser.switch_to.active_element.get_attribute("id") == "handle"
    tab.browser.switch_to.active_element.send_keys("ann", Keys.ENTER)
    tab.wait_for_messages("hi")


def test_scrolling_back_loads_earlier_messages(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    with runserver.join(room) as bob:
        for number in range(130):
            bob.say(f"m{number}")
        bob.hear_message("^m129$")
    tab = open_tab(runserver, f"/{room}/")
    # The page has fifty messages. It loads more by itself when few are above the visible ones.
    assert len(tab.messages()) in (50, 100)
    for count in (100, 130):
        tab.browser.execute_script("document.getElementById('scroll').scrollTop = 0")
        wait_for(lambda: len(tab.messages()) >= count, f"{count} messages")  # noqa: B023
    assert tab.messages() == [f"m{number}" for number in range(130)]
    assert not tab.browser.find_element(By.ID, "older").is_displayed()


def test_a_scrolled_up_reader_stays_there_and_can_jump_down(
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


def test_the_lobby_leads_to_a_room_of_any_name(
    start_runserver: StartServer, open_tab: OpenTab
) -> None:
    tab = open_tab(start_runserver(), "/")
    tab.browser.find_element(By.ID, "name").send_keys("Café am Eck", Keys.ENTER)
    wait_for(lambda: tab.browser.title == "Café am Eck · Chat", "the room")
    tab.say("hi")
    tab.wait_for_messages("hi")
    tab.browser.find_element(By.CSS_SELECTOR, ".home").click()
    wait_for(lambda: tab.browser.title == "Chat", "the lobby")
    assert tab.browser.find_element(By.CSS_SELECTOR, "#rooms .name").text == "Café am Eck"


def test_the_new_room_button_leads_to_a_new_room(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, "/")
    tab.browser.find_element(By.ID, "new-room").click()
    wait_for(lambda: re.search(r"/[a-z]+-[a-z]+-\d+/$", tab.browser.current_url), "a new room")
    tab.wait_until("open")


def test_leaving_a_page_closes_its_socket(runserver: Server, room: str, open_tab: OpenTab) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.wait_until("open")
    tab.browser.get(runserver.url + "/")
    runserver.process.wait_for_line(f"WebSocket DISCONNECT /chat/{room}/")


def test_the_browser_console_is_quiet(runserver: Server, room: str, open_tab: OpenTab) -> None:
    for path in ("/", f"/{room}/"):
        tab = open_tab(runserver, path)
    tab.say("hi")
    tab.wait_for_messages("hi")
    assert tab.browser.get_log("browser") == []


def test_a_phone_shows_everything_without_horizontal_scrolling(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, "/")
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    tab.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    width = "return Math.max(window.innerWidth, document.documentElement.scrollWidth)"
    assert tab.browser.execute_script(width) == 390
    tab.browser.find_element(By.ID, "name").send_keys("a long name of a room " * 4, Keys.ENTER)
    tab.wait_until("open")
    tab.say("x" * 200, name="y" * 40)
    tab.wait_for_messages("x" * 200)
    assert tab.browser.execute_script(width) == 390


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1200, 800)])
def test_only_the_log_scrolls(
    width: int, height: int, runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, f"/{room}/")
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    tab.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    tab.wait_until("open")
    lines = [f"line {number}" for number in range(40)]
    with runserver.join(room) as bob:
        for line in lines:
            bob.say(line)
        bob.hear_message("^line 39$")  # otherwise its socket would be too full to be closed
        tab.wait_for_messages(*lines)
    page = "return document.documentElement.scrollHeight"
    assert tab.browser.execute_script(page) == height
