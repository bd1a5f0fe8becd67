"""What the tests of the chat share.

browser
    A headless Chromium that all tests use, one after the other; each finds it with one empty
    window, without cookies, on a screen of 1280 by 900.
open_tab
    `open_tab(server, path)` opens a page of a server in a tab of `browser` and gives the `Tab`.
chat_server
    One `manage.py runserver` without a limit of speed for all tests. Each takes a room of its own.
store
    `store(room, *messages)` puts rows into the database of `chat_server`, as if they had been said;
    each is a dict of columns, of which `message` is needed.
"""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.chat.tab import OpenTab, Tab
from tests.processes.chromium import start_chromium
from tests.processes.process import ROOT, Processes, clean_environment, free_port
from tests.processes.server import Server


@pytest.fixture(scope="session")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    folder = tmp_path_factory.mktemp("browser")
    driver = start_chromium(folder / "profile", folder / "chromedriver.log")
    yield driver
    driver.quit()


@pytest.fixture
def browser(shared_browser: Chrome) -> Iterator[Chrome]:
    yield shared_browser
    first, *others = shared_browser.window_handles
    for window in others:
        shared_browser.switch_to.window(window)
        shared_browser.close()
    shared_browser.switch_to.window(first)
    shared_browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    shared_browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    shared_browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    shared_browser.get("about:blank")
    shared_browser.get_log("browser")


@pytest.fixture
def open_tab(browser: Chrome) -> OpenTab:
    tabs: list[Tab] = []

    def open_tab(server: Server, path: str) -> Tab:
        tabs.append(Tab(browser, server.url + path, is_first=not tabs))
        return tabs[-1]

    return open_tab


@pytest.fixture(scope="session")
def chat_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat") / "chat.sqlite3"


@pytest.fixture(scope="session")
def chat_server(chat_database: Path) -> Iterator[Server]:
    env = {"DATABASE_URL": f"sqlite:///{chat_database}", "CHAT_RATE_LIMIT": "0"}
    migrate = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"]
    subprocess.run(migrate, cwd=ROOT, env=clean_environment() | env, check=True)
    processes = Processes(chat_database.parent)
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    process = processes(command, env=env)
    yield Server(port, process.wait_until_listening(port))
    processes.stop()


@pytest.fixture
def store(chat_server: Server, chat_database: Path) -> Callable[..., None]:
    def store(room: str, *messages: dict[str, Any]) -> None:
        chat_server.get(f"/{room}/")
        with closing(sqlite3.connect(chat_database)) as database, database:
            number = database.execute("SELECT id FROM chat_room WHERE label = ?", (room,))
            now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
            defaults = {"handle": "bob", "person": "guest:bob", "timestamp": now}
            defaults["room_id"] = number.fetchone()[0]
            rows = [defaults | message for message in messages]
            columns = ", ".join(rows[0])
            places = ", ".join(f":{column}" for column in rows[0])
            query = f"INSERT INTO chat_message ({columns}) VALUES ({places})"
            database.executemany(query, rows)

    return store
