"""`runserver` with Django's autoreloader, on a project of three files that a test changes."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

SETTINGS = """
from pathlib import Path

HERE = Path(__file__).parent
SECRET_KEY, DEBUG = "for this test only", True
ROOT_URLCONF, ASGI_APPLICATION = "small_urls", "small.application"
INSTALLED_APPS = ["channels_workers"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels_workers.layers.memory.InMemoryChannelLayer"}}
CHANNEL_ROUTING = "small_consumers.channel_routing"
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [HERE / "templates"]}
]
DATABASES = {}
"""
URLS = """
from django.urls import path
from django.views.generic import TemplateView

urlpatterns = [path("", TemplateView.as_view(template_name="page.html"))]
"""
APPLICATION = "from channels_workers.asgi import get_application\napplication = get_application()\n"
CONSUMERS = """
def receive(message):
    message.reply_channel.send({"text": "WORD"})

channel_routing = {"websocket.receive": receive}
"""


@dataclass
class SmallProject:
    """A running project."""

    folder: Path
    port: int
    process: Process

    def write_consumer(self, word: str) -> None:
        (self.folder / "small_consumers.py").write_text(CONSUMERS.replace("WORD", word))

    def write_template(self, word: str) -> None:
        (self.folder / "templates" / "page.html").write_text(word)

    def hear(self) -> str:
        """The consumer's current reply. Empty while there is no server."""
        try:
            with connect(f"ws://127.0.0.1:{self.port}/", proxy=None, open_timeout=60) as socket:
                socket.send("?")
                return str(socket.recv(timeout=20))
        except (OSError, WebSocketException):
            return ""

    def page(self) -> str:
        """The current page. Empty while there is no server."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/", timeout=20) as response:
                return str(response.read().decode())
        except OSError:
            return ""


@pytest.fixture
def project(tmp_path: Path, start_process: Processes) -> SmallProject:
    folder = tmp_path / "project"
    (folder / "templates").mkdir(parents=True)
    for name, text in {
        "small_settings.py": SETTINGS,
        "small_urls.py": URLS,
        "small.py": APPLICATION,
        "small_consumers.py": CONSUMERS.replace("WORD", "one"),
        "templates/page.html": "one",
    }.items():
        (folder / name).write_text(text)
    port = free_port()
    process = start_process(
        [sys.executable, "-m", "django", "runserver", f"127.0.0.1:{port}"],
        name="runserver",
        cwd=folder,
        env={"DJANGO_SETTINGS_MODULE": "small_settings", "PYTHONPATH": f"{folder}:{ROOT}"},
    )
    return SmallProject(folder, port, process.wait_until_listening(port))


def changes(shown: Callable[[], str], write: Callable[[str], None]) -> bool:
    """Whether the new word is shown. While the old one is, the file is written (again).

    Django's reloader misses changes before its first look at a file.
    """
    word = shown()
    if word == "one":
        write("two")
    return word == "two"


def test_changed_consumers_and_templates_are_loaded(project: SmallProject) -> None:
    project.process.wait_for_line("Watching for file changes")
    assert (project.hear(), project.page()) == ("one", "one")
    wait_for(lambda: changes(project.page, project.write_template), "the new template")
    wait_for(lambda: changes(project.hear, project.write_consumer), "the new consumer")
    project.process.wait_for_line(r"small_consumers\.py changed, reloading")
