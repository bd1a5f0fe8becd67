"""What people can do with their own messages and drafts."""

import json
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from labs.harness.server import Person, Server
from labs.harness.waiting import wait_for
from tests.chat.conftest import KeepSockets, Store
from tests.chat.tab import OpenTab, Tab


def text_of(tab: Tab) -> str:
    with tab:
        return tab.browser.find_element(By.ID, "text").get_attribute("value") or ""


def test_own_messages_are_marked_and_only_they_have_a_menu(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/own/")
    tab.wait_until("open")
    tab.say("mine")
    tab.wait_for_messages("mine")
    with other_server.join("own") as bob:
        bob.say("his", handle="ann")  # the same name does not mean the same person
        tab.wait_for_messages("mine", "his")
    assert tab.texts(".own .text") == ["mine"]
    assert tab.texts(".message:has(.more) .text") == ["mine"]
    colours = "return [...document.querySelectorAll('.message')].map((m) => m.dataset.who)"
    assert len(set(tab.run(colours))) == 2
    assert tab.find(".message.follows") == []


def test_an_edit_is_shown_live_to_all(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/edit/")
    tab.wait_until("open")
    with other_server.join("edit") as bob:
        tab.say("helo")
        number = bob.hear()["id"]
        tab.wait_for_messages("helo")
        tab.press("half a thought", Keys.HOME, Keys.SHIFT, Keys.END, Keys.NULL, Keys.DELETE)
        tab.press(Keys.ARROW_UP)
        assert text_of(tab) == "helo"
        tab.press(Keys.BACKSPACE, "lo", Keys.ENTER)
        edited = wait_for(lambda: [f for f in [_next(bob)] if f.get("type") == "edited"], "an edit")
        assert (edited[0]["id"], edited[0]["message"]) == (number, "hello")
    tab.wait_for_messages("hello (edited)")
    assert text_of(tab) == ""
    tab.browser.refresh()
    tab.wait_for_messages("hello (edited)")


def _next(person: Person) -> dict[str, Any]:

    frame: dict[str, Any] = json.loads(person.socket.recv(60))
    return frame


def test_escape_keeps_the_message_and_the_draft(chat_server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(chat_server, "/escape/")
    tab.wait_until("open")
    tab.say("done")
    tab.wait_for_messages("done")
    tab.press("a draft")
    tab.find(".own .more")[0].click()
    tab.find("#menu [data-action=edit]")[0].click()
    assert text_of(tab) == "done"
    tab.press(" and dusted", Keys.ESCAPE)
    assert text_of(tab) == "a draft"
    assert not tab.find("#editing")
    tab.wait_for_messages("done")


def test_a_message_can_be_deleted_by_keyboard_alone(chat_server: Server, open_tab: OpenTab) -> None:
    tab, other = open_tab(chat_server, "/delete/"), open_tab(chat_server, "/delete/")
    other.wait_until("open")
    tab.wait_until("open")
    tab.say("oops")
    tab.wait_for_messages("oops")
    other.wait_for_messages("oops")
    with tab:
        tab.run("document.querySelector('.own .more').focus()")
        tab.press(Keys.ENTER)
        assert tab.browser.switch_to.active_element.text == "Edit"
        tab.press(Keys.ARROW_DOWN)
        tab.press(Keys.ENTER)
        assert tab.texts("#sure blockquote") == ["oops"]
        tab.press(Keys.ESCAPE)
        wait_for(lambda: not tab.find("#sure"), "no question any more")
        assert tab.browser.switch_to.active_element.get_attribute("class") == "more"
        tab.press(Keys.ENTER, Keys.ARROW_UP)
        tab.press(Keys.ENTER)
        tab.press(Keys.TAB, Keys.ENTER)
    gone = "This message was deleted"
    tab.wait_for_messages(gone)
    other.wait_for_messages(gone)
    assert tab.find(".more") == []
    with tab:
        assert tab.browser.switch_to.active_element.get_attribute("id") == "scroll"
    other.browser.refresh()
    other.wait_for_messages(gone)


def test_a_menu_stays_open_while_others_talk(
    chat_server: Server, other_server: Server, open_tab: OpenTab, store: Store
) -> None:
    store("menu", *({"message": f"m{n}"} for n in range(50)))
    tab = open_tab(chat_server, "/menu/")
    tab.wait_until("open")
    tab.say("mine")
    wait_for(lambda: tab.find(".own .more"), "the message that came back")
    with tab, other_server.join("menu") as bob:
        tab.run("document.querySelector('.own .more').focus()")
        tab.press(Keys.ENTER)
        top = "return document.querySelector('.own .text').getBoundingClientRect().top"
        before = tab.run(top)
        bob.say("in between")
        wait_for(lambda: tab.run(top) < before, "a log that moved")
        tab.browser.execute_async_script(
            "const [done] = arguments; requestAnimationFrame(() => requestAnimationFrame(done))"
        )
        assert tab.browser.switch_to.active_element.text == "Edit"
        tab.run("document.getElementById('scroll').scrollTop = 0")
        wait_for(lambda: not tab.find("#menu"), "no menu where its message is not seen")
        assert tab.browser.switch_to.active_element.get_attribute("class") == "more"


def test_edits_and_deletions_while_the_page_was_away_are_shown(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/away/")
    tab.wait_until("open")
    with other_server.join("away") as bob:
        ids = []
        for message in ("first", "second"):
            bob.say(message)
            ids.append(bob.hear()["id"])
        tab.wait_for_messages("first", "second")
        tab.run(
            "window.Real = WebSocket; window.WebSocket = class extends Real {"
            "constructor() { super('ws://127.0.0.1:1/'); } };"
            "WebSocket.prototype.send; Object.assign(performance, { realNow: performance.now });"
            "window.dispatchEvent(new Event('pagehide'));"
        )
        tab.wait_until("lost")
        bob.socket.send(f'{{"type": "edit", "id": {ids[0]}, "message": "better"}}')
        bob.socket.send(f'{{"type": "delete", "id": {ids[1]}}}')
        wait_for(lambda: _next(bob).get("type") == "deleted", "the deletion")
        tab.run("window.WebSocket = window.Real; document.getElementById('now').click()")
        tab.wait_for_messages("better (edited)", "This message was deleted")


def test_an_edit_received_while_its_message_is_fetched_is_shown(
    chat_server: Server,
    other_server: Server,
    open_tab: OpenTab,
    keep_sockets: KeepSockets,
    store: Store,
) -> None:
    keep_sockets()
    tab = open_tab(chat_server, "/early/")
    with other_server.join("early") as bob:
        bob.say("helo")
        number = bob.hear()["id"]
        store("early", *({"message": f"m{n}\n" + "line\n" * 9} for n in range(60)))
        tab.browser.refresh()
        tab.wait_until("open")
        tab.run(
            "const real = fetch; window.fetch = async (...a) => {"
            "  window.fetch = real; const answer = await real(...a);"
            "  await new Promise((go) => { window.go = go; }); return answer; };"
            "window.sockets.at(-1).addEventListener('message', ({ data }) => {"
            "  window.heard ||= data.includes('edited'); });"
            "document.getElementById('scroll').scrollTop = 0;"
        )
        wait_for(lambda: tab.run("return Boolean(window.go)"), "an answer on its way")
        bob.socket.send(f'{{"type": "edit", "id": {number}, "message": "hello"}}')
        wait_for(lambda: tab.run("return window.heard"), "the edit")
        tab.run("window.go()")
        wait_for(lambda: len(tab.messages()) == 61, "all messages")
        assert tab.messages()[0] == "hello (edited)"


def test_a_draft_survives_a_reload(chat_server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(chat_server, "/draft/")
    tab.browser.find_element(By.ID, "text").send_keys("not yet", Keys.SHIFT + Keys.ENTER)
    tab.browser.refresh()
    assert text_of(tab) == "not yet\n"
    tab.say("said")
    tab.wait_for_messages("not yet\nsaid")
    tab.browser.refresh()
    assert text_of(tab) == ""


def test_a_failed_message_can_be_retried(chat_server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(chat_server, "/retry/")
    tab.wait_until("open")
    tab.run(
        "const real = WebSocket.prototype.send;"
        "WebSocket.prototype.send = function (text) {"
        "  const frame = JSON.parse(text);"
        "  if (!frame.message) return real.call(this, text);"
        "  WebSocket.prototype.send = real;"
        "  real.call(this, JSON.stringify({ ...frame, handle: '' }));"
        "};"
    )
    tab.say("again")
    tab.wait_for_messages("again", selector="[data-state=failed]")
    assert tab.texts(".trouble button") == ["Retry", "Edit", "Discard"]
    tab.find(".trouble button")[0].click()
    tab.wait_for_messages("again")
    assert tab.find(".trouble") == []


def test_enter_during_input_composition_does_not_send(
    chat_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/compose/")
    tab.wait_until("open")
    tab.say("first")
    tab.wait_for_messages("first")
    tab.press("nihao")
    enter = "document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown',"
    enter += "{key: 'Enter', isComposing: arguments[0], cancelable: true, bubbles: true}))"
    tab.run(enter, True)
    assert text_of(tab) == "nihao"
    tab.run(enter, False)
    tab.wait_for_messages("first", "nihao")
