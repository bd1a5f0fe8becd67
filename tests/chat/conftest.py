"""Shared by the tests of the chat.

open_tab
    `open_tab(server, path)` opens a page of a server in a tab of `browser` and returns the `Tab`.
runserver
    A `manage.py runserver` without rate limit, shared by all tests.
room
    The label of a room that no other test uses.
chat_server, other_server
    Two `web` processes of the Procfile, with two workers, Redis and no rate limit, shared by all
    tests. Each test uses a room of its own.
keep_sockets
    After `keep_sockets()` pages keep their sockets in `window.sockets`. Sockets that they open
    between `block()` and `unblock()` fail. Applies to the current tab; call it before the page
    loads.
store
    `store(room, *messages)` inserts rows into the database of `chat_server`, as if they had been
    said. Each is a dict of columns, of which `message` is required.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from labs.harness.chat_site import ChatSite
from labs.harness.processes import Processes
from labs.harness.server import Server
from tests.chat.tab import OpenTab, Tab
from tests.conftest import PATIENT, RunFirst, runserver_starter

Store = Callable[..., None]
KeepSockets = Callable[[], None]

numbers = count(1)

KEEP_SOCKETS = """
    window.sockets = [];
    const Real = window.WebSocket;
    let isBlocked = false;
    window.WebSocket = class extends Real {
      constructor(url) {
        super(isBlocked ? "ws://127.0.0.1:1/" : url);
        window.sockets.push(this);
      }
    };
    window.block = () => { isBlocked = true; };
    window.unblock = () => { isBlocked = false; };
"""


@pytest.fixture(scope="session")
def runserver(
    tmp_path_factory: pytest.TempPathFactory, migrated_database: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("runserver")
    shutil.copy(migrated_database, folder / "chat.sqlite3")
    started = Processes(folder)
    start = runserver_starter(started, f"sqlite:///{folder}/chat.sqlite3")
    yield start(env={"CHAT_RATE_LIMIT": "0"})
    started.stop()


@pytest.fixture
def room() -> str:
    return f"room-{next(numbers)}"


@pytest.fixture
def keep_sockets(run_first: RunFirst) -> KeepSockets:
    return partial(run_first, KEEP_SOCKETS)


@pytest.fixture
def open_tab(browser: Chrome) -> OpenTab:
    tabs: list[Tab] = []

    def open_tab(server: Server, path: str) -> Tab:
        tabs.append(Tab(browser, server.url + path, is_first=not tabs))
        return tabs[-1]

    return open_tab


@pytest.fixture(scope="session")
def chat_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatSite]:
    settings = {
        "CHAT_RATE_LIMIT": "0",
        "SIGNUP_RATE_LIMIT": "0",
        "LOGIN_ADDRESS_RATE_LIMIT": "0",
        "LOGIN_PACE": "0",
        **PATIENT,
    }
    with ChatSite(tmp_path_factory.mktemp("chat"), settings) as site:
        for _ in range(2):
            site.start_server()
            site.start_worker()
        site.wait_for_workers()
        yield site
        site.stop()


@pytest.fixture(scope="session")
def chat_database(chat_site: ChatSite) -> Path:
    return chat_site.database


@pytest.fixture(scope="session")
def chat_servers(chat_site: ChatSite) -> list[Server]:
    return chat_site.servers


@pytest.fixture
def chat_server(chat_servers: list[Server]) -> Server:
    return chat_servers[0]


@pytest.fixture
def other_server(chat_servers: list[Server]) -> Server:
    return chat_servers[1]


@pytest.fixture
def store(chat_server: Server, chat_database: Path) -> Callable[..., None]:
    def store(room: str, *messages: dict[str, Any]) -> None:
        with chat_server.join(room):  # which makes it
            pass
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
