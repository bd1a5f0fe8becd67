"""The pages of the admin in a browser: somebody is logged in, and a state that is worth a look."""

from collections.abc import Callable

from selenium.webdriver import Chrome

from labs.harness.server import Server

STATUS = "/admin/channels_workers/status/"
LETTERS = "/admin/channels_workers/deadletter/"

#: Runs a command of manage.py, and returns its output.
Manage = Callable[..., str]

#: Prints the key of a session of the user "ada".
SESSION = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
user = User.objects.create_user("ada", is_staff=True, is_superuser={is_superuser})
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
from channels_workers import Channel, get_channel_layer
layer = get_channel_layer()
for number in range({count}):
    Channel("reports.monthly").send({{"month": number + 1, "to": "ada@example.org"}})
    [delivery] = layer.pull(["reports.monthly"], "test.0", 5)
    layer.dead_letter(delivery, "its worker died, 3 times")
Channel("reports.yearly").send({{"year": 2026}})
"""


def log_in(browser: Chrome, server: Server, manage: Manage, *, is_superuser: bool = True) -> None:
    """Let *browser* be logged in as "ada", who may at least view the status."""
    code = SESSION.format(is_superuser=is_superuser)
    key = manage("shell", "--command", code).strip().splitlines()[-1]
    browser.get(f"{server.url}/admin/login/")
    browser.add_cookie({"name": "sessionid", "value": key})


def fill(manage: Manage, count: int = 3) -> None:
    """Make *count* dead letters, and a channel that nobody listens to."""
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
