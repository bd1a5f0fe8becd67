"""The Content-Security-Policy, and the pages that comply with it."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from chat.frames import Said
from chat.models import Message, Room
from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from labs.harness.server import Server
from labs.harness.visitor import PASSWORD, Visitor
from labs.harness.waiting import wait_for
from tests.chat.tab import OpenTab
from tests.conftest import StartServer

PAGES = [
    *("/", "/lobby/", "/no such room/", "/accounts/signup/", "/accounts/login/"),
    *("/accounts/password/", "/accounts/password/done/"),
]


class Inline(HTMLParser):
    """Finds inline code and style in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        is_data = values.get("type") == "application/json"
        if tag == "style" or (tag == "script" and not is_data and "src" not in values):
            self.found.append(tag)
        for name, value in attrs:
            if name == "style" or name.startswith("on") or (value or "").startswith("javascript:"):
                self.found.append(f"{tag} {name}")


def inline_in(page: str) -> list[str]:
    parser = Inline()
    parser.feed(page)
    parser.close()
    return parser.found


def test_inline_code_is_found() -> None:
    page = """<style></style><script>1</script><p style="x" onclick="y"><a href="javascript:z">
    <script type="application/json">{}</script><script src="x.js"></script>"""
    assert inline_in(page) == ["style", "script", "p style", "p onclick", "a href"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_inline_code_or_style(client: Client, path: str) -> None:
    if "password" in path:
        client.force_login(User.objects.create_user("ann"))
    Room.objects.at("lobby")
    Message.objects.record("lobby", Said("ann", "hi"), "guest:a")
    response = client.get(path)
    assert response.status_code in {200, 404}
    assert inline_in(response.content.decode()) == []


def test_the_error_page_has_none() -> None:
    assert inline_in(render_to_string("500.html")) == []


def test_no_template_has_any() -> None:
    templates = [*Path(ROOT / "chat").rglob("templates/**/*.html")]
    assert len(templates) > 10
    for template in templates:
        assert inline_in(re.sub(r"{%.*?%}|{#.*?#}", "", template.read_text())) == [], template


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/nothing/at/all/", "/accounts/login/", "/admin/login/"])
def test_each_page_has_the_policy(client: Client, path: str) -> None:
    header = client.get(path)["Content-Security-Policy"]
    policy = dict(line.strip().split(" ", 1) for line in header.split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy["img-src"] == "'self' data:"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in header
    assert not policy.keys() & {"script-src", "style-src", "connect-src", "font-src"}


# In a browser

# What the browser's complaints about the policy mention.
POLICY = "Content Security Policy"


def complaints(browser: Chrome) -> list[str]:
    """Console messages of the browser since the last call."""
    return [entry["message"] for entry in browser.get_log("browser")]


def test_pages_comply_and_sockets_are_allowed(
    runserver: Server, room: str, open_tab: OpenTab
) -> None:
    tab = open_tab(runserver, f"/{room}/")
    tab.wait_until("open")
    tab.say("hi")
    tab.wait_for_messages("hi")
    assert complaints(tab.browser) == []


INJECTED = """
    const script = document.createElement("script");
    script.textContent = "document.title = 'hacked'";
    document.body.append(script);
    document.body.insertAdjacentHTML("beforeend", "<img src=x: onerror=document.title='hacked'>");
    document.body.setAttribute("style", "color: red");
    new WebSocket("ws://127.0.0.2:9/");
"""


def test_the_policy_blocks_inline_code_and_other_hosts(
    runserver: Server, open_tab: OpenTab
) -> None:
    browser = open_tab(runserver, "/accounts/login/").browser
    browser.execute_script(INJECTED)
    seen: list[str] = []

    def stopped() -> bool:
        seen.extend(complaints(browser))
        kinds = ("inline script", "inline event handler", "inline style", "'ws://127.0.0.2:9/'")
        return all(any(kind in text and POLICY in text for text in seen) for kind in kinds)

    wait_for(stopped, lambda: f"four complaints; there are {seen}")
    assert browser.title == "Log in · Chat"


def test_the_admin_complies_with_the_policy(
    start_runserver: StartServer, open_tab: OpenTab, database_url: str
) -> None:
    make_superuser(database_url)
    server = start_runserver()
    Visitor.of(server).sign_up("ann")
    with server.join("lobby") as ann:
        ann.say("hi", handle="bob")
        ann.hear_message("hi")
    browser = open_tab(server, "/admin/").browser
    browser.find_element(By.NAME, "username").send_keys("root")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    wait_for(lambda: "Site administration" in browser.title, "the admin")
    paths = ["", "auth/user/", "auth/user/add/", "auth/user/1/change/", "auth/user/1/password/"]
    paths += ["chat/room/", "chat/room/1/change/", "chat/message/", "chat/message/1/change/"]
    for path in [*paths, "chat/message/1/delete/", "chat/message/1/history/"]:
        browser.get(f"{server.url}/admin/{path}")
        assert "admin" in browser.title.lower(), path
    assert [text for text in complaints(browser) if POLICY in text] == []


def make_superuser(database_url: str) -> None:
    command = [
        "manage.py",
        "createsuperuser",
        "--noinput",
        "--username=root",
        "--email=r@b.example",
    ]
    environment = {"DATABASE_URL": database_url, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=clean_environment() | environment, check=True
    )
