"""The chat below a prefix, behind a real nginx that keeps or strips the prefix."""

import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from labs.harness.nginx import Nginx
from labs.harness.ports import free_port
from labs.harness.processes import Processes
from labs.harness.visitor import PASSWORD
from labs.harness.waiting import wait_for
from tests.chat.tab import Tab
from tests.conftest import StartWeb, StartWorker
from tests.deploy.conftest import Site, StartSite
from tests.deploy.nginx import HOST
from tests.docs.pages import page

PREFIX = "/talk"
ENV = {"FORCE_SCRIPT_NAME": PREFIX}

KEPT = {
    "  location / {\n    proxy_pass": f"  location {PREFIX}/ {{\n    proxy_pass",
    "~ ^/(accounts/|admin/login/)": f"~ ^{PREFIX}/(accounts/|admin/login/)",
    "~ ^/(chat|ws|channels_workers)/": f"~ ^{PREFIX}/(chat|ws|channels_workers)/",
}
TAKEN_OFF = {
    "  location / {\n    proxy_pass": (
        f"  rewrite ^{PREFIX}(/.*)$ $1;\n  location / {{\n    proxy_pass"
    )
}
#: The server of the sockets, changes of nginx, and Gunicorn's variables: None without Gunicorn.
WAYS = {
    "daphne and gunicorn, kept": ("daphne", KEPT, {"SCRIPT_NAME": PREFIX}),
    "daphne and gunicorn, taken off": ("daphne", TAKEN_OFF, {}),
    "uvicorn, kept": ("uvicorn", KEPT, None),
    "uvicorn, taken off": ("uvicorn", TAKEN_OFF, None),
}


@pytest.fixture(scope="module", params=WAYS)
def site(request: pytest.FixtureRequest, start_site: StartSite) -> Iterator[Site]:
    server, changes, of_gunicorn = WAYS[request.param]
    with start_site(server, env=ENV, of_gunicorn=of_gunicorn, changes=changes) as made:
        yield made


def test_people_chat_below_the_prefix(site: Site) -> None:
    ann, bob = site.visitor(prefix=PREFIX), site.visitor(prefix=PREFIX)
    with ann.join("lobby") as at_ann, bob.join("lobby") as at_bob:
        at_ann.say("hello")
        assert [at_ann.hear()["message"], at_bob.hear()["message"]] == ["hello", "hello"]

    lobby = ann.get("/talk/")
    assert 'href="/talk/lobby/"' in lobby.body
    assert 'data-socket="/talk/chat/"' in lobby.body
    addresses = re.findall(r'(?:href|src|action)="(/[^"]*)"', lobby.body)
    assert addresses
    assert [each for each in addresses if not each.startswith(f"{PREFIX}/")] == []
    for address in [each for each in addresses if "/static/" in each]:
        file = ann.get(address, Accept_Encoding="identity")
        assert (file.status, file.headers["Cache-Control"]) == (
            200,
            "max-age=315360000, public, immutable",
        )
    assert ann.get("/talk/lobby/messages/").status == 200
    assert ann.get("/talk/no/room/").status == 404


def test_redirects_cookies_and_accounts_stay_below_the_prefix(site: Site) -> None:
    ann = site.visitor(prefix=PREFIX)
    page = ann.get("/talk/lobby/")
    assert "/talk/accounts/login/?next=/talk/lobby/" in page.body
    assert "; Path=/talk;" in page.headers["Set-Cookie"]
    assert page.headers["Set-Cookie"].startswith("__Secure-chat_guest=")
    assert ann.get("/talk/lobby").headers["Location"] == "/talk/lobby/"
    assert ann.get("/talk/new/").headers["Location"].startswith("/talk/")
    assert ann.get("/talk/admin/").headers["Location"] == "/talk/admin/login/?next=/talk/admin/"

    answer = ann.sign_up("Zoe")
    assert (answer.status, answer.headers["Location"]) == (302, "/talk/")
    assert {"; Path=/talk;" in each for each in answer.headers.get_all("Set-Cookie", [])} == {True}
    typed = ann.post("/talk/", name="Café")
    assert re.fullmatch(r"/talk/Cafe-[a-z0-9]+/", typed.headers["Location"])
    with ann.join("lobby") as tab:
        tab.say("hello")
        assert tab.hear()["handle"] == "Zoe"
    wanted = {"username": "Zoe", "password": PASSWORD, "next": "/talk/lobby/"}
    assert ann.post("/talk/accounts/logout/", next="/talk/lobby/").headers["Location"] == (
        "/talk/lobby/"
    )
    assert ann.post("/talk/accounts/login/", **wanted).headers["Location"] == "/talk/lobby/"
    wanted["next"] = "/talk/accounts/signup/"
    ann.post("/talk/accounts/logout/")
    assert ann.post("/talk/accounts/login/", **wanted).headers["Location"] == "/talk/"

    # Without a proxy that redirects to https, Django does.
    for path in ("/talk/lobby/?a=b", "/lobby/?a=b"):
        connection = HTTPConnection("127.0.0.1", site.daphne.port)
        connection.request("GET", path, headers={"Host": HOST})
        with connection.getresponse() as response:
            assert response.headers["Location"] == f"https://{HOST}/talk/lobby/?a=b"
        connection.close()


# The page's configuration lines, with a browser


@pytest.mark.parametrize("target", ["http://sockets", "http://sockets/"])
def test_a_browser_below_the_prefix(
    target: str,
    start_process: Processes,
    start_web: StartWeb,
    start_worker: StartWorker,
    browser: Chrome,
    tmp_path: Path,
) -> None:
    start_worker(env=ENV)
    web = start_web(env=ENV)
    port = free_port()
    lines = next(
        each.text for each in page("how-to/deploy-server").blocks if each.language == "nginx"
    )
    assert lines.count("http://sockets;") == 1
    lines = lines.replace("http://sockets;", f"{target};")
    headers = (
        "proxy_http_version 1.1; proxy_set_header Host $http_host;"
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
    )
    site = f"upstream sockets {{ server 127.0.0.1:{web.port}; }}\n"
    site += f"server {{ listen 127.0.0.1:{port}; {headers}\n{lines} }}\n"
    Nginx(tmp_path, start_process, site, port)

    tab = Tab(browser, f"http://127.0.0.1:{port}/talk", is_first=True)
    tab.wait_until("open")
    lobby = Tab(browser, f"http://127.0.0.1:{port}/talk/")
    with tab:
        browser.find_element(By.NAME, "name").send_keys("lobby\n")
    wait_for(lambda: path_of(tab) == "/talk/lobby/", "the room")
    tab.wait_until("open")
    tab.say("hello")
    tab.wait_for_texts("#log .message .text", "hello")
    lobby.wait_until("open")
    link = "#rooms a[href='/talk/lobby/']"
    wait_for(lambda: lobby.find(link), "the room in the lobby")
    lobby.find(link)[0].click()
    wait_for(lambda: path_of(lobby) == "/talk/lobby/", "the room")
    lobby.wait_for_texts("#log .message .text", "hello")
    assert "SEVERE" not in {entry["level"] for entry in browser.get_log("browser")}
    kept = tab.run("return Object.keys(localStorage)")
    assert kept
    assert all(key.startswith("talk/") for key in kept)


def path_of(tab: Tab) -> str:
    with tab:
        return urlsplit(tab.browser.current_url).path
