"""Takes the screenshots in docs/images: scripts/pictures [FOLDER].

Uses real processes: web and worker of the Procfile, Redis, a Chromium, and people who talk. The
last picture shows an operator's view with more processes.
"""

import json
import random
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from labs.harness.chat_site import ChatSite
from labs.harness.project import ROOT
from labs.harness.server import Person, Server
from labs.harness.waiting import wait_for
from tests.processes.admin_pages import LETTERS, STATUS, log_in, total
from tests.processes.admin_pages import fill as fill_admin
from tests.processes.chromium import start_chromium
from tests.terminal import draw

FOLDER = ROOT / "docs" / "images"
DEVICES = {
    "desktop": {"width": 1200, "height": 760, "deviceScaleFactor": 1, "mobile": False},
    "phone": {"width": 390, "height": 760, "deviceScaleFactor": 2, "mobile": True},
}
SCHEMES = ("light", "dark")

#: How many looks the curves of the admin show.
CURVE = 40

# Minutes ago, who, what.
SAID = (
    (1502, "Mara", "The seeds arrived. Who has time on Saturday to help with the raised beds?"),
    (1497, "Tomás", "I do, from ten. I can bring two spades and a wheelbarrow."),
    (1495, "Tomás", "Plan of the beds: https://example.org/garden/plan.pdf"),
    (1490, "Ελένη", "Έρχομαι κι εγώ, με καφέ."),
    (1432, "Mara", "Wonderful, thank you both :)"),
    (34, "Nadia", "Is the water turned on again?"),
    (31, "Mara", "Since yesterday. The tap by the shed drips, mind your shoes."),
    (30, "Nadia", "Then I'll water the tomatoes tonight."),
    (9, "יעל", "אפשר להביא גם את הילדים?"),
    (8, "Tomás", "Of course! There is a lot to dig."),
)
ROOMS = {"Garden": 8, "Book club": 55, "Café am Eck": 180, "Шахматы": 1500, "quiet-otter-42": 4200}


class Chat(ChatSite):
    """The processes of the chat, and its database."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.people: dict[str, str] = {}

    @property
    def server(self) -> Server:
        """The first interface server."""
        return self.servers[0]

    def remember(self, room: str, minutes: int, handle: str, message: str) -> None:
        """Store a message from some minutes ago."""
        moment = (datetime.now(UTC) - timedelta(minutes=minutes)).replace(tzinfo=None)
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute(
                "INSERT INTO chat_message (handle, message, timestamp, person, room_id)"
                " SELECT ?, ?, ?, ?, id FROM chat_room WHERE name = ?",
                (
                    handle,
                    message,
                    moment.isoformat(" "),
                    self.people.get(handle, "guest:nobody"),
                    room,
                ),
            )
            database.execute(
                "UPDATE chat_room SET active = ? WHERE name = ?", (moment.isoformat(" "), room)
            )

    def make_room(self, name: str, label: str) -> None:
        """Create a room with the name that somebody typed."""
        with closing(sqlite3.connect(self.database)) as database, database:
            database.execute("INSERT INTO chat_room (name, label) VALUES (?, ?)", (name, label))

    def guest(self, handle: str) -> str:
        """The cookie of a person, who is the same person in all messages."""
        with urlopen(f"{self.server.url}/garden/") as page:
            cookie: str = page.headers["Set-Cookie"].split(";")[0]
        self.people[handle] = person_of(cookie)
        return cookie


def person_of(cookie: str) -> str:
    """The person in a signed cookie."""
    return cookie.split("=", 1)[1].strip('"').rsplit(":", 1)[0]


@contextmanager
def person(chat: Chat, label: str, handle: str) -> Iterator[Person]:
    """Put a person with a name into a room."""
    headers = {"Cookie": chat.guest(handle)}
    options = {"additional_headers": headers, "ping_interval": None, "close_timeout": 1}
    with chat.server.join(label, **options) as found:
        found.socket.send(json.dumps({"type": "presence", "handle": handle}))
        yield found


def fill(chat: Chat, browser: Chrome, stack: ExitStack) -> Person:
    """Fill rooms with people and messages. Returns a person of the first room."""
    for number, (name, minutes) in enumerate(ROOMS.items()):
        chat.make_room(name, f"room-{number}" if number else "garden")
        chat.remember(name, minutes, "", "")
    with closing(sqlite3.connect(chat.database)) as database, database:
        database.execute("DELETE FROM chat_message")
    browser.get(f"{chat.server.url}/garden/")
    chat.people["Mara"] = person_of(f"={browser.get_cookie('chat_guest')['value']}")
    join = stack.enter_context
    for handle in ("Tomás", "Ελένη", "יעל", "Oleksandr"):
        join(person(chat, "garden", handle))
    for handle in ("Ivy", "Ben"):
        join(person(chat, "room-1", handle))
    nadia = join(person(chat, "garden", "Nadia"))
    for minutes, handle, message in SAID:
        chat.remember("Garden", minutes, handle, message)
    return nadia


def set_screen(browser: Chrome, device: str, scheme: str) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", DEVICES[device])
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def wait_for_css(browser: Chrome, selector: str) -> None:
    wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, selector), selector)


def show_room(browser: Chrome, server: Server, nadia: Person) -> None:
    """The room as Mara sees it after a message, while Nadia is typing."""
    browser.get(f"{server.url}/garden/")
    browser.execute_script("localStorage.setItem('chat.handle', JSON.stringify('Mara'))")
    browser.refresh()
    wait_for_css(browser, "#status[data-state=open]")
    if "See you" not in browser.find_element(By.ID, "log").text:
        browser.find_element(By.ID, "text").send_keys("See you on Saturday at ten, then.\n")
    wait_for_css(browser, "li:last-child.own[data-id]")
    wait_for_css(browser, ".people li:nth-child(6)")

    def types() -> str:
        nadia.socket.send(json.dumps({"type": "typing", "handle": "Nadia"}))
        return browser.find_element(By.ID, "typing").text

    wait_for(types, "somebody who types")


def show_lobby(browser: Chrome, server: Server) -> None:
    browser.get(server.url)
    wait_for_css(browser, "#rooms .busy .here")
    wait_for(lambda: "Tom" in browser.find_element(By.ID, "rooms").text, "who is there")


def show_status(chat: Chat, stack: ExitStack) -> str:
    """The output of `channelstatus` while two servers and three workers are busy."""
    chat.start_worker()
    chat.start_worker()
    chat.wait_for_workers()
    people = [
        stack.enter_context(server.join("book-club", close_timeout=1))
        for server in (chat.server, chat.start_server())
        for _ in range(8)
    ]

    def busy_lines() -> list[str]:
        for one in people:
            for number in range(200):
                one.say(f"line {number}")
        lines = chat.manage("channelstatus").splitlines()
        return lines if any(re.search(r"receive.*oldest", line) for line in lines) else []

    return draw("python manage.py channelstatus", wait_for(busy_lines, "a busy moment", 60))


def show_admin(chat: Chat, browser: Chrome, folder: Path) -> None:
    """The pages of the admin: the status after half a minute of talk, and dead letters."""
    fill_admin(chat.manage)
    log_in(browser, chat.server, chat.manage)
    set_screen(browser, "desktop", "light")
    browser.get(chat.server.url + STATUS)
    people = [chat.server.join("book-club", close_timeout=1) for _ in range(12)]
    with ExitStack() as stack:
        talking = [stack.enter_context(one) for one in people]
        wait_for(lambda: total(browser, "connections") == "13", "people")

        def has_curve() -> bool:
            for one in talking:
                for number in range(random.randrange(25)):
                    one.say(f"line {number}")
            curve = browser.find_element(By.CSS_SELECTOR, "[data-total=waiting] polyline")
            return len((curve.get_attribute("points") or "").split()) > CURVE

        wait_for(has_curve, "a curve", 120)
        take_element(browser, folder / "admin-status-light.png")
    set_screen(browser, "desktop", "dark")
    browser.get(chat.server.url + LETTERS)
    take_element(browser, folder / "admin-letters-dark.png")


def take_element(browser: Chrome, file: Path) -> None:
    """A picture of the page without what Django has around it."""
    browser.find_element(By.ID, "content").screenshot(str(file))


def take(folder: Path) -> None:
    """Take all screenshots."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        chat = stack.enter_context(Chat(Path(name)))
        chat.start_server()
        chat.start_worker()
        chat.wait_for_workers()
        browser = start_chromium(Path(name) / "profile", Path(name) / "chromedriver.log")
        stack.callback(browser.quit)
        nadia = fill(chat, browser, stack)
        for device in DEVICES:
            for scheme in SCHEMES:
                set_screen(browser, device, scheme)
                show_lobby(browser, chat.server)
                browser.save_screenshot(str(folder / f"lobby-{scheme}-{device}.png"))
                show_room(browser, chat.server, nadia)
                browser.save_screenshot(str(folder / f"room-{scheme}-{device}.png"))
        show_admin(chat, browser, folder)
        (folder / "channelstatus.svg").write_text(show_status(chat, stack))


if __name__ == "__main__":
    take(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else FOLDER)
