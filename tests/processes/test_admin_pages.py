"""The pages of the admin in a real browser, with real processes."""

import sys
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.types import ProcessInfo, Running
from chat_project.settings import REDIS_PREFIX
from labs.harness.commands import run
from labs.harness.ports import free_port
from labs.harness.processes import Processes
from labs.harness.project import ROOT
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.channels_workers.admin.conftest import HOSTILE
from tests.channels_workers.management.test_startworkers import (
    ENVIRONMENT,
    follow,
    startworkers,
)
from tests.channels_workers.management.test_startworkers import run as run_python
from tests.chat.axe import violations
from tests.chat.test_accessibility import SCREENS, set_media
from tests.conftest import RunFirst, Shared, StartServer
from tests.processes.admin_pages import (
    LETTERS,
    STATUS,
    Manage,
    cells,
    log_in,
    make_letters,
    make_session,
    mode,
    total,
    use_session,
)

#: Sockets of pages fail.
BLOCKED = """
    const Real = window.WebSocket;
    window.WebSocket = class extends Real { constructor() { super("ws://127.0.0.1:1/"); } };
"""


@pytest.fixture(scope="module")
def manage(shared: Shared) -> Manage:
    def run_command(*arguments: str) -> str:
        command = (sys.executable, "manage.py", *arguments)
        return run(*command, cwd=ROOT, env=shared.environment).decode()

    return run_command


@pytest.fixture(scope="module")
def shared_server(shared: Shared) -> Server:
    found = shared.start_web()
    shared.start_worker()
    return found


@pytest.fixture(scope="module")
def ada(manage: Manage) -> str:
    """The session of a superuser, which no test ends."""
    return make_session(manage)


@pytest.fixture
def layer(shared: Shared) -> RedisChannelLayer:
    return RedisChannelLayer(hosts=[shared.redis.url], prefix=REDIS_PREFIX)


@pytest.fixture
def server(shared_server: Server, shared: Shared, layer: RedisChannelLayer) -> Iterator[Server]:
    """The server of all tests. A test ends with its last socket, and leaves no dead letter."""
    yield shared_server
    for letter in layer.admin.dead_letters():
        assert layer.admin.drop(letter.id)
    with shared.redis.client() as client:
        client.delete("x", *client.keys("*:channel:reports.*"))
        wait_for(lambda: not client.keys("*:connections:*"), "the end of all sockets")


@pytest.fixture
def logged_in(server: Server, browser: Chrome, ada: str) -> None:
    """Let the browser be logged in."""
    use_session(browser, server, ada)


def open_status(browser: Chrome, server: Server, expected: str = "live") -> None:
    browser.get(server.url + STATUS)
    wait_for(lambda: mode(browser) == expected, expected, 60)


def complaints(browser: Chrome) -> list[str]:
    """What the console says, except for the icon, which this page does not have."""
    lines: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [each["message"] for each in lines if "favicon" not in each["message"]]


def is_as_loaded(browser: Chrome) -> bool:
    return bool(browser.execute_script("return window.marked === true"))


@pytest.mark.usefixtures("logged_in")
def test_numbers_change_without_a_reload(
    browser: Chrome, server: Server, layer: RedisChannelLayer
) -> None:
    open_status(browser, server)
    browser.execute_script("window.marked = true")
    assert (total(browser, "connections"), total(browser, "dead_letters")) == ("1", "0")
    with server.join("lobby"), server.join("lobby"):
        wait_for(lambda: total(browser, "connections") == "3", "two more people")
        [row] = cells(browser, "servers")
        assert row[4] == "3"
    make_letters(layer)
    wait_for(lambda: total(browser, "dead_letters") == "3", "the dead letters")
    wait_for(lambda: total(browser, "connections") == "1", "that they have left")
    problems = browser.find_element(By.ID, "cw-problems").text
    assert "no live worker listens to: 1, such as reports.yearly" in problems
    names = {row[0]: row for row in cells(browser, "channels")}
    assert names["reports.yearly"][1] == "1"
    assert "nobody listens" in names["reports.yearly"][4]
    points = browser.find_element(By.CSS_SELECTOR, "[data-total=connections] polyline")
    assert len((points.get_attribute("points") or "").split()) > 3
    assert is_as_loaded(browser)
    assert complaints(browser) == [], "also nothing that the Content-Security-Policy refused"


@pytest.mark.usefixtures("logged_in")
def test_two_pages_hear_of_one_look_and_none_costs_nothing(
    browser: Chrome, server: Server, shared: Shared
) -> None:
    open_status(browser, server)
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    open_status(browser, server)
    pushes = "channel:channels_workers.status"
    with shared.redis.client() as client:
        assert client.zcard("chat:delayed") + client.xlen(f"chat:{pushes}") <= 1
        browser.close()
        browser.switch_to.window(first)
        browser.get("about:blank")
        wait_for(
            lambda: client.zcard("chat:delayed") + client.xlen(f"chat:{pushes}") == 0,
            "the end of pushes",
        )


@pytest.mark.usefixtures("logged_in")
def test_hostile_names_are_text(browser: Chrome, server: Server, layer: RedisChannelLayer) -> None:
    open_status(browser, server)
    for number, name in enumerate(HOSTILE[:3]):
        process = f"feedfeedfeedfee{number}"
        about = ProcessInfo("worker", name, 1, 1.0, 1, (), (), name, (name,))
        run_by = Running(0, name, 1.0, name, name)
        layer.register(process, about._replace(running=(run_by,)))
        shown = partial(is_shown, browser, layer, process, name)
        wait_for(shown, "the name as it is")
        layer.retire(process, [], [])
    assert browser.find_elements(By.CSS_SELECTOR, ".cw img, .cw script") == []
    assert complaints(browser) == []


def is_shown(browser: Chrome, layer: RedisChannelLayer, process: str, name: str) -> bool:
    layer.heartbeat(process)
    return [name, name, name] in [row[:3] for row in cells(browser, "running")]


def test_one_whose_permission_is_taken_away_hears_nothing_more(
    server: Server, browser: Chrome, manage: Manage
) -> None:
    use_session(browser, server, make_session(manage, "bob", is_superuser=False))
    open_status(browser, server)
    assert browser.find_elements(By.CSS_SELECTOR, "[data-total=dead_letters] a") == []
    user = "from django.contrib.auth.models import User as U; U.objects.get(username='bob')"
    manage("shell", "--command", f"{user}.user_permissions.clear()")
    wait_for(lambda: mode(browser) == "forbidden", "that it may no longer see the page")
    assert "no longer" in browser.find_element(By.ID, "cw-live").text


def test_one_who_logs_out_hears_nothing_more(
    server: Server, browser: Chrome, manage: Manage
) -> None:
    key = make_session(manage, "cid")
    use_session(browser, server, key)
    open_status(browser, server)
    session = f"from django.contrib.sessions.models import Session as S; S.objects.get(pk={key!r})"
    manage("shell", "--command", f"{session}.delete()")
    wait_for(lambda: mode(browser) == "logged_out", "that it is logged out")


@pytest.mark.usefixtures("logged_in")
def test_a_page_whose_socket_cannot_open_asks(
    browser: Chrome, server: Server, layer: RedisChannelLayer, run_first: RunFirst
) -> None:
    run_first(BLOCKED)
    open_status(browser, server, "asking")
    browser.execute_script("window.marked = true")
    assert "Not live" in browser.find_element(By.ID, "cw-live").text
    make_letters(layer)
    wait_for(lambda: total(browser, "dead_letters") == "3", "the dead letters", 30)
    assert is_as_loaded(browser)


@pytest.mark.usefixtures("logged_in")
def test_a_layer_that_goes_away_and_comes_back(
    browser: Chrome, server: Server, shared: Shared
) -> None:
    open_status(browser, server)
    browser.execute_script("window.marked = true")
    shared.redis.stop()
    wait_for(lambda: mode(browser) == "unavailable", "that the layer is away", 60)
    assert violations(browser) == []
    shared.redis.start()
    wait_for(lambda: mode(browser) == "live", "that it is back", 90)
    assert is_as_loaded(browser)


IS_WIDER = "return document.documentElement.scrollWidth > window.innerWidth"


@pytest.mark.usefixtures("logged_in")
def test_axe_finds_no_error(browser: Chrome, server: Server, layer: RedisChannelLayer) -> None:
    browser.get(server.url + LETTERS)
    assert violations(browser) == []
    make_letters(layer)
    for device, scheme in product(SCREENS, ("light", "dark")):
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SCREENS[device])
        set_media(browser, prefers_color_scheme=scheme)
        open_status(browser, server)
        wait_for(lambda: total(browser, "dead_letters") == "3", "the dead letters")
        assert violations(browser) == [], (device, scheme)
        assert not browser.execute_script(IS_WIDER), "tables scroll, the page does not"
        browser.get(server.url + LETTERS)
        assert violations(browser) == [], (device, scheme)
        assert not browser.execute_script(IS_WIDER)
        browser.find_element(By.CSS_SELECTOR, "#letters tbody th a").click()
        assert violations(browser) == [], (device, scheme)
        browser.find_element(By.CSS_SELECTOR, ".cw-actions [value=drop]").click()
        assert violations(browser) == [], (device, scheme)


@pytest.mark.usefixtures("logged_in")
def test_dead_letters_by_keyboard(
    browser: Chrome, server: Server, layer: RedisChannelLayer, manage: Manage
) -> None:
    make_letters(layer)
    browser.get(server.url + LETTERS)
    every = browser.find_element(By.ID, "every-letter")
    every.send_keys(Keys.SPACE)
    boxes = browser.find_elements(By.NAME, "letter")
    assert [box.is_selected() for box in boxes] == [True] * 3
    boxes[0].send_keys(Keys.SPACE)
    assert every.get_property("indeterminate") is True
    browser.find_element(By.CSS_SELECTOR, "#letters [value=drop]").send_keys(Keys.ENTER)
    wait_for(lambda: "deletes 2 dead letters" in browser.page_source, "the question")
    browser.find_element(By.CSS_SELECTOR, ".cw-actions [value=drop]").send_keys(Keys.ENTER)
    wait_for(lambda: "2 dead letters are dropped" in browser.page_source, "the answer")
    assert len(browser.find_elements(By.NAME, "letter")) == 1
    assert manage("deadletters").endswith("\n1 dead letters\n")
    assert complaints(browser) == []


def test_under_runserver_with_the_layer_in_memory(
    browser: Chrome, start_runserver: StartServer, database_url: str
) -> None:
    def manage(*arguments: str) -> str:
        command = (sys.executable, "manage.py", *arguments)
        return run(*command, cwd=ROOT, env={"DATABASE_URL": database_url}).decode()

    server = start_runserver()
    log_in(browser, server, manage)
    open_status(browser, server)
    assert "in the memory of this process" in browser.page_source
    with server.join("lobby"):
        wait_for(lambda: total(browser, "connections") == "2", "somebody")


def test_in_a_project_of_startworkers(
    browser: Chrome, start_process: Processes, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    run_python(folder, "-m", "django", "startproject", "my_site", ".")
    settings = folder / "my_site" / "settings.py"
    text = settings.read_text().replace("APPS = [", 'APPS = [\n    "channels_workers",', 1)
    settings.write_text(text)
    follow(folder, startworkers(folder))

    def manage(*arguments: str) -> str:
        return run_python(folder, "manage.py", *arguments)

    manage("migrate", "--verbosity", "0")
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", str(port)]
    process = start_process(command, name="runserver", cwd=folder, env=ENVIRONMENT)
    server = Server(port, process.wait_until_listening(port))
    log_in(browser, server, manage)
    open_status(browser, server)
    assert total(browser, "connections") == "1"
