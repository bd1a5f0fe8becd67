"""Reading the log: days, new messages, and old ones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.chat.conftest import KeepSockets, RunFirst, Store
from tests.chat.tab import OpenTab, Tab

ZONE = "Pacific/Auckland"

AT_END = "const s = document.getElementById('scroll');"
AT_END += "return s.scrollHeight - s.scrollTop - s.clientHeight < 5"


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def scroll_up(tab: Tab, top: int = 0) -> None:
    tab.run("document.getElementById('scroll').scrollTop = arguments[0]", top)
    wait_for(lambda: not tab.run(AT_END), "a view above the end")


def test_days_and_times_are_local(
    chat_server: Server, browser: Chrome, open_tab: OpenTab, store: Store
) -> None:
    noon = datetime.now(ZoneInfo(ZONE)).replace(hour=12, minute=34)
    moments = [noon - timedelta(days=days) for days in (3, 1, 1, 0)]
    said = [{"message": f"m{n}", "timestamp": text_of(each)} for n, each in enumerate(moments)]
    store("days", *said)
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ZONE})
    tab = open_tab(chat_server, "/days/")
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})
    first = f"{moments[0]:%A}, {moments[0]:%B} {moments[0].day}"
    assert tab.texts(".day") == [first, "Yesterday", "Today"]
    times = tab.find(".message time")
    assert {time.text for time in times} == {"12:34 PM"}
    exact = times[0].get_attribute("title") or ""
    assert f"{moments[0]:%A}" in exact
    assert "12:34:" in exact


def test_a_clock_that_is_wrong_by_a_day_does_no_harm(
    chat_server: Server, other_server: Server, open_tab: OpenTab, run_first: RunFirst
) -> None:
    run_first("""
        const Real = Date;
        const day = 24 * 3600 * 1000;
        window.Date = class extends Real {
          constructor(...given) { given.length ? super(...given) : super(Real.now() - day); }
          static now() { return Real.now() - day; }
        };
    """)
    tab = open_tab(chat_server, "/clock/")
    tab.wait_until("open")
    tab.say("what time is it")
    tab.wait_for_messages("what time is it")
    with other_server.join("clock") as bob:
        bob.say("late", handle="bob")
        tab.wait_for_messages("what time is it", "late")
    assert tab.texts(".day") == ["Today"]
    assert len(tab.find(".own .more")) == 1  # recent enough to be edited


def test_a_scrolled_up_reader_sees_how_much_is_new_and_where_it_begins(
    chat_server: Server, other_server: Server, open_tab: OpenTab, store: Store
) -> None:
    store("unread", *({"message": f"m{n}"} for n in range(50)))
    tab = open_tab(chat_server, "/unread/")
    tab.wait_until("open")
    wait_for(lambda: tab.run(AT_END), "the view at the end")
    scroll_up(tab)
    with other_server.join("unread") as ann:
        for message in ("one", "two"):
            ann.say(message)
        tab.wait_for_texts("#newest span", "2 new messages")
        assert tab.browser.title == "(2) unread · Chat"
        tab.browser.find_element(By.ID, "newest").click()
        wait_for(lambda: tab.run(AT_END), "the view at the end")
        assert tab.browser.title == "unread · Chat"
        assert tab.texts(".message:has(.new) .text") == ["one"]
    tab.say("I have read it")
    wait_for(lambda: not tab.find(".new"), "no line of what is new")


def test_a_hidden_page_counts_in_its_title(
    chat_server: Server, other_server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(chat_server, "/hidden/")
    tab.wait_until("open")
    with other_server.join("hidden") as bob:
        bob.say("seen")
        tab.wait_for_messages("seen")
        hide = (
            "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
        )
        hide += "document.dispatchEvent(new Event('visibilitychange'))"
        tab.run(hide, True)
        bob.say("unseen")
        wait_for(lambda: tab.browser.title == "(1) hidden · Chat", "the count in the title")
        tab.run(hide, False)
        assert tab.browser.title == "hidden · Chat"
        assert tab.texts(".message:has(.new) .text") == ["unseen"]


def test_a_line_shows_where_one_left_off(
    chat_server: Server, open_tab: OpenTab, store: Store
) -> None:
    tab = open_tab(chat_server, "/left-off/")
    tab.say("I must go")
    tab.wait_for_messages("I must go")
    tab.browser.get(chat_server.url)
    store("left-off", {"message": "while you were away"})
    tab = open_tab(chat_server, "/left-off/")
    assert tab.texts(".message:has(.new) .text") == ["while you were away"]


def test_the_view_does_not_jump_when_earlier_messages_load(
    chat_server: Server, open_tab: OpenTab, store: Store
) -> None:
    store("jump", *({"message": f"m{n}\n" + "line\n" * (n % 7)} for n in range(150)))
    tab = open_tab(chat_server, "/jump/")
    tab.wait_until("open")
    wait_for(lambda: tab.run(AT_END), "the view at the end")
    place = """
        const item = [...document.querySelectorAll(".message")]
          .find((each) => each.textContent.includes("m105\\n"));
        return item.getBoundingClientRect().top;
    """
    tab.run(
        "window.realFetch = fetch; window.fetch = (...a) => new Promise((go) => {"
        "window.answer = () => go(window.realFetch(...a)); })"
    )
    scroll_up(tab, 20)
    before = tab.run(place)
    wait_for(lambda: tab.run("return Boolean(window.answer)"), "a question for earlier messages")
    tab.run("window.answer()")
    wait_for(lambda: len(tab.messages()) == 100, "100 messages")
    assert abs(tab.run(place) - before) < 2


def test_the_page_of_a_scrolled_up_reader_does_not_grow_without_limit(
    chat_server: Server, open_tab: OpenTab, keep_sockets: KeepSockets, store: Store
) -> None:
    store("above", *({"message": f"m{n}"} for n in range(50)))
    keep_sockets()
    tab = open_tab(chat_server, "/above/")
    tab.wait_until("open")
    wait_for(lambda: tab.run(AT_END), "the view at the end")
    scroll_up(tab)
    wait_for(lambda: tab.find("#newest"), "a way down")
    tab.run("""
        const socket = window.sockets.at(-1);
        for (let n = 1; n <= 1000; n += 1) {
          const [handle, message, timestamp] = ["bob", `new ${n}`, new Date().toISOString()];
          const data = JSON.stringify({ id: 10 ** 9 + n, who: "b0b", handle, message, timestamp });
          socket.dispatchEvent(new MessageEvent("message", { data }));
        }
    """)
    assert len(tab.messages()) == 600
    assert tab.texts("#newest span") == ["1000 new messages"]
    tab.find("#newest")[0].click()
    assert tab.messages()[-1] == "new 1000"
    wait_for(lambda: tab.run(AT_END), "the view at the end")


def test_the_page_holds_a_few_of_five_thousand_messages(
    chat_server: Server,
    browser: Chrome,
    open_tab: OpenTab,
    keep_sockets: KeepSockets,
    store: Store,
) -> None:
    keep_sockets()
    tab = open_tab(chat_server, "/many/")
    tab.wait_until("open")
    tab.run("window.block(); window.sockets.at(-1).close()")
    tab.wait_until("lost")
    store("many", *({"message": f"m{n}"} for n in range(5_000)))
    tab.run("window.unblock(); document.getElementById('now').click()")
    last = (
        "return document.querySelector('.log').lastElementChild?.querySelector('.text').textContent"
    )
    wait_for(lambda: tab.run(last) == "m4999", "the last of 5,000 messages")
    nodes = "return document.querySelectorAll('*').length"
    assert 300 < tab.run(nodes) < 4_000

    # Up to the first one, keeping the view stable, and down again.
    first = "return document.querySelector('.log .text').textContent"
    up = "const s = document.getElementById('scroll'); s.scrollTop = Math.min(s.scrollTop, 500);"
    up += "s.dispatchEvent(new Event('scroll'));" + first
    wait_for(lambda: tab.run(up) == "m0", "the first message", 60)
    assert tab.run(nodes) < 4_000
    assert tab.run("return document.querySelectorAll('.message').length") == 300
    down = "const s = document.getElementById('scroll'); s.scrollTop = s.scrollHeight;"
    down += "s.dispatchEvent(new Event('scroll'));" + last
    wait_for(lambda: tab.run(down) != "m299", "more below")
    browser.find_element(By.ID, "newest").click()
    assert tab.run(last) == "m4999"
    wait_for(lambda: tab.run(AT_END), "the view at the end")
