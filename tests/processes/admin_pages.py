"""The pages of the admin in a browser: somebody is logged in, and a state that is worth a look."""

from collections.abc import Callable
from typing import Any

from selenium.webdriver import Chrome

from channels_workers.layers.base import WorkerLayer
from channels_workers.layers.types import Send
from labs.harness.server import Server

STATUS = "/admin/channels_workers/status/"
LETTERS = "/admin/channels_workers/deadletter/"

#: Runs a command of manage.py, and returns its output.
Manage = Callable[..., str]

#: Prints the key of a session of a new user.
SESSION = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
user = User.objects.create_user({name!r}, is_staff=True, is_superuser={is_superuser})
user.user_permissions.set(Permission.objects.filter(codename="view_status"))
store = import_module(settings.SESSION_ENGINE).SessionStore()
store[SESSION_KEY] = str(user.pk)
store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
store[HASH_SESSION_KEY] = user.get_session_auth_hash()
store.save()
print(store.session_key)
"""

#: Makes dead letters, and a channel that nobody listens to.
LETTERS_AND_MORE = """
from channels_workers import get_channel_layer
from tests.processes.admin_pages import make_letters
make_letters(get_channel_layer(), {count})
"""


def make_session(manage: Manage, name: str = "ada", *, is_superuser: bool = True) -> str:
    """The key of a session of a new user, who may at least view the status."""
    code = SESSION.format(name=name, is_superuser=is_superuser)
    return manage("shell", "--command", code).strip().splitlines()[-1]


def use_session(browser: Chrome, server: Server, key: str) -> None:
    """Let *browser* be logged in by this session."""
    browser.get(f"{server.url}/admin/login/")
    browser.add_cookie({"name": "sessionid", "value": key})


def log_in(browser: Chrome, server: Server, manage: Manage) -> None:
    """Let *browser* be logged in as the new user "ada", who may do everything."""
    use_session(browser, server, make_session(manage))


def make_letters(layer: WorkerLayer, count: int = 3) -> None:
    """Make *count* dead letters on this layer, and a channel that nobody listens to."""
    for number in range(count):
        _send(layer, "reports.monthly", {"month": number + 1, "to": "ada@example.org"})
        [delivery] = layer.pull(["reports.monthly"], "test.0", 5)
        layer.dead_letter(delivery, "its worker died, 3 times")
    _send(layer, "reports.yearly", {"year": 2026})


def _send(layer: WorkerLayer, channel: str, content: dict[str, Any]) -> None:
    layer.apply([Send(channel, layer.codec.encode(content))])


def fill(manage: Manage, count: int = 3) -> None:
    """Make them on the layer of a project."""
    manage("shell", "--command", LETTERS_AND_MORE.format(count=count))


def mode(browser: Chrome) -> str:
    """How the status page is connected."""
    found: str = browser.execute_script("return document.getElementById('cw-live').dataset.mode")
    return found


def total(browser: Chrome, name: str) -> str:
    """A number at a glance."""
    script = "return document.querySelector(`[data-total=${arguments[0]}] .cw-big`).textContent"
    found: str = browser.execute_script(script, name)
    return found


def cells(browser: Chrome, table: str) -> list[list[str]]:
    """The texts of the rows of a table."""
    script = (
        "return [...document.querySelector(`[data-rows=${arguments[0]}]`).tBodies[0].rows]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    found: list[list[str]] = browser.execute_script(script, table)
    return found
