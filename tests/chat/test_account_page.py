"""A person with an account, in the page."""

import sqlite3
from contextlib import closing
from pathlib import Path

from selenium.webdriver.common.by import By

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab, Tab

PASSWORD = "raised-beds-42"


def sign_up(tab: Tab, name: str) -> None:
    """Create an account through the page's link, and return to the page."""
    tab.find(".signup")[0].click()
    given = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
    for field, value in given.items():
        tab.browser.find_element(By.NAME, field).send_keys(value)
    tab.browser.find_element(By.CSS_SELECTOR, "form button.button").click()
    tab.wait_until("open")


def say(tab: Tab, message: str) -> None:
    with tab:
        tab.browser.find_element(By.ID, "text").send_keys(message + "\n")


def test_an_account_has_its_name_and_badge_until_it_logs_out_anywhere(
    chat_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/account/")
    sign_up(tab, "mara")
    assert tab.texts("#account") == ["mara"]
    assert tab.find("#handle") == []
    say(tab, "as mara")
    tab.wait_for_messages("as mara")
    assert tab.texts(".own .handle") == ["mara"]
    assert tab.find(".own .mark")[0].accessible_name == "has an account"
    wait_for(lambda: tab.find("#people .mark"), "the mark in the list")

    other = open_tab(chat_server, "/account/")
    with other:
        other.find(".account summary")[0].click()
        other.find(".account form button")[0].click()
    wait_for(lambda: tab.find("#handle"), "a field for a name, as guests have it")
    assert tab.find(".own") == []
    tab.say("as mara", name="mara")
    tab.wait_for_messages("as mara", selector="[data-state=failed]")
    assert "belongs to an account" in tab.texts(".trouble")[0]
    with tab:
        handle = tab.browser.find_element(By.ID, "handle")
        handle.clear()
        handle.send_keys("guest")
        tab.find(".trouble button")[0].click()
    tab.wait_for_messages("as mara", "as mara")
    assert tab.texts(".own .handle") == ["guest"]


def test_a_page_with_an_expired_log_in_becomes_a_guest(
    chat_server: Server, chat_database: Path, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/unheard/")
    sign_up(tab, "nora")
    tab.wait_for_texts("#account", "nora")
    wait_for(lambda: tab.find("#people .mark"), "the mark in the list")
    with closing(sqlite3.connect(chat_database)) as database, database:
        database.execute("DELETE FROM django_session")
    say(tab, "hello")
    tab.wait_for_messages("hello", selector="[data-state=failed]")
    wait_for(lambda: tab.find("#handle"), "a field for a name")
    assert tab.texts("#account") == []


def test_a_reconnecting_page_notices_a_log_in_elsewhere(
    chat_server: Server, open_tab: OpenTab
) -> None:
    tab, other = open_tab(chat_server, "/elsewhere/"), open_tab(chat_server, "/elsewhere/")
    tab.wait_until("open")
    other.wait_until("open")
    with other:
        sign_up(other, "otto")
    assert tab.find("#handle")
    leave, come_back = (
        f"window.dispatchEvent(new Event('{name}'))" for name in ("pagehide", "pageshow")
    )
    tab.run(leave)
    tab.run(come_back)
    tab.wait_for_texts("#account", "otto")
    say(tab, "as otto")
    tab.wait_for_messages("as otto")
    assert tab.texts(".own .handle") == ["otto"]


def test_staff_can_delete_any_message(
    chat_server: Server, other_server: Server, chat_database: Path, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/staff/")
    sign_up(tab, "boss")
    with closing(sqlite3.connect(chat_database)) as database, database:
        database.execute("UPDATE auth_user SET is_staff = 1 WHERE username = 'boss'")
    tab.browser.refresh()
    tab.wait_until("open")
    with other_server.join("staff") as eve:
        eve.say("spam", handle="eve")
        tab.wait_for_messages("spam")
        tab.find(".more")[0].click()
        assert tab.texts("#menu button") == ["Delete…"]  # but not edited
        tab.find("#menu button")[0].click()
        tab.find("#sure button[value=delete]")[0].click()
        tab.wait_for_messages("This message was deleted")
        wait_for(lambda: '"deleted"' in str(eve.socket.recv(60)), "the deletion, for all")
