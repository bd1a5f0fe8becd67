"""What a page missed, it fetches: messages that were told late, or while its history failed."""

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
    """Say so many messages that an overlap of a few does not reach before them."""
    said = [f"{text} {number}" for number in range(MANY)]
    with server.join("lobby") as bob:
        for message in said:
            bob.say(message, handle="bob")
        bob.hear_message(f"^{said[-1]}$")
    return said


def store(database_url: str, message: str) -> None:
    """Store a message as a worker does that dies before anybody is told."""
    row = ("bob", message, datetime.now(UTC).replace(tzinfo=None).isoformat(" "))
    query = "INSERT INTO chat_message (handle, message, timestamp, person, room_id) "
    query += "SELECT ?, ?, ?, 'guest:bob', id FROM chat_room WHERE label = 'lobby'"
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as database, database:
        database.execute(query, row)


def test_a_message_that_was_told_while_the_page_was_away_is_shown(
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


def test_what_was_missed_comes_though_the_history_failed_for_a_while(
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


def test_a_page_goes_on_where_an_answer_had_no_room_for_more(
    start_runserver: StartServer, open_tab: OpenTab, database_url: str
) -> None:
    env = {"CHAT_HISTORY_SIZE": "1000"}  # some five messages
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
    # A page that is new goes back in the same way.
    tab.run("location.reload()")
    tab.wait_until("open")
    assert 0 < len(tab.messages()) < 30

    def has_all() -> bool:
        tab.run("document.getElementById('older').click()")
        return tab.messages() == ["before", *missed]

    wait_for(has_all, lambda: f"all messages; there are {tab.messages()}")


HISTORY = ROOT / "chat" / "client" / "history.js"


def asked(browser: Chrome, script: str) -> Any:
    """The ids after which a `CatchUp` asks, whose pages `script` gives and which it runs."""
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


def test_where_a_page_begins_to_ask(browser: Chrome) -> None:
    # What is settled counts only after all that was missed before has come.
    assert asked(browser, "await run(0, [11, 12], [15]); await run(40, [41]);") == [10, 12, 40]
    assert asked(browser, "await run(0, [11]); await run(5, []);") == [10, 11]
    assert asked(browser, "await run(0); await run(40, [11], []);") == [10, 10, 11]
