"""How a page fetches messages that it missed: late ones, or those of a failed history request."""

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from selenium.webdriver import Chrome

from labs.harness.project import ROOT
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab
from tests.conftest import StartServer

MANY = 40


def say_many(server: Server, text: str) -> list[str]:
    """Send more messages than the overlap of the history covers."""
    said = [f"{text} {number}" for number in range(MANY)]
    with server.join("lobby") as bob:
        for message in said:
            bob.say(message, handle="bob")
        bob.hear_message(f"^{said[-1]}$")
    return said


def store(database_url: str, message: str) -> None:
    """Store a message like a worker that dies before it notifies anybody."""
    row = ("bob", message, datetime.now(UTC).replace(tzinfo=None).isoformat(" "))
    query = "INSERT INTO chat_message (handle, message, timestamp, person, room_id) "
    query += "SELECT ?, ?, ?, 'guest:bob', id FROM chat_room WHERE label = 'lobby'"
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as database, database:
        database.execute(query, row)


def test_messages_sent_while_the_page_was_away_are_shown(
    start_runserver: StartServer, open_tab: OpenTab, database_url: str
) -> None:
    server = start_runserver(env={"CHAT_RATE_LIMIT": "0"})
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.say("before")
    tab.wait_for_messages("before")
    store(database_url, "told late")
    said = say_many(server, "meanwhile")
    tab.wait_for_messages("before", *said)
    server.stop()
    tab.wait_until("lost")
    start_runserver(port=server.port)
    tab.wait_for_messages("before", "told late", *said)


def test_missed_messages_are_fetched_after_failed_history_requests(
    start_runserver: StartServer, open_tab: OpenTab, database_url: str
) -> None:
    server = start_runserver()
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.say("before")
    tab.wait_for_messages("before")
    server.stop()
    tab.wait_until("lost")
    store(database_url, "missed")
    tab.browser.execute_script(
        "window.works = window.fetch; window.fetch = () => Promise.reject(new Error('away'));"
    )
    server = start_runserver(port=server.port, env={"CHAT_RATE_LIMIT": "0"})
    tab.wait_until("open")
    said = say_many(server, "live")
    tab.wait_for_messages("before", *said)
    tab.browser.execute_script("window.fetch = window.works;")
    tab.wait_for_messages("before", "missed", *said)


def test_a_page_continues_after_a_truncated_answer(
    start_runserver: StartServer, open_tab: OpenTab, database_url: str
) -> None:
    env = {"CHAT_HISTORY_SIZE": "1000"}  # about five messages
    server = start_runserver(env=env)
    tab = open_tab(server, "/lobby/")
    tab.wait_until("open")
    tab.say("before")
    tab.wait_for_messages("before")
    server.stop()
    tab.wait_until("lost")
    missed = [f"missed {number} {'x' * 100}" for number in range(30)]
    for message in missed:
        store(database_url, message)
    server = start_runserver(port=server.port, env=env)
    tab.wait_for_messages("before", *missed)
    # A new page goes back in the same way.
    tab.run("location.reload()")
    tab.wait_until("open")
    assert 0 < len(tab.messages()) < 30

    def has_all() -> bool:
        tab.run("document.getElementById('older').click()")
        return tab.messages() == ["before", *missed]

    wait_for(has_all, lambda: f"all messages; there are {tab.messages()}")


HISTORY = ROOT / "chat" / "client" / "history.js"


def asked(browser: Chrome, script: str) -> Any:
    """The ids after which a `CatchUp` asks. `script` sets its answers and runs it."""
    run = """
        const [module, done] = arguments;
        const asked = [];
        let pages = [];
        window.fetch = async (url) => {
          asked.push(Number(new URL(url, "http://localhost").searchParams.get("after")));
          const ids = pages.shift();
          if (!ids) throw new Error("away");
          const messages = ids.map((id) => ({ id }));
          return { ok: true, json: async () => ({ messages, more: pages.length > 0 }) };
        };
        import(module).then(async ({ CatchUp }) => {
          const catchUp = new CatchUp(10);
          const run = async (settled, ...given) => {
            pages = given;
            try { for await (const _ of catchUp.pages(settled)); } catch {}
          };
          SCRIPT
          done(JSON.stringify(asked));
        });
    """
    module = "data:text/javascript;base64," + b64encode(HISTORY.read_bytes()).decode()
    found = browser.execute_async_script(run.replace("SCRIPT", script), module)
    return json.loads(found)


def test_where_a_page_starts_to_ask(browser: Chrome) -> None:
    # Settled messages count only after everything missed before has arrived.
    assert asked(browser, "await run(0, [11, 12], [15]); await run(40, [41]);") == [10, 12, 40]
    assert asked(browser, "await run(0, [11]); await run(5, []);") == [10, 11]
    assert asked(browser, "await run(0); await run(40, [11], []);") == [10, 10, 11]
