"""The tutorial and the guides to consumers, followed step by step in an empty project."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes, clean_environment
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.waiting import wait_for
from tests.conftest import Shared
from tests.docs.pages import Block, page

#: The pages whose code creates and changes the board. A later one may overwrite a file.
PAGES = (
    "tutorial/board",
    "tutorial/processes",
    "tutorial/deploy",
    "reference/messages",
    "reference/routing",
    "reference/sending",
    "how-to/authenticate",
    "how-to/classes",
    "how-to/guard",
    "how-to/tasks",
    "how-to/django-tasks",
    "how-to/pass-on",
    "how-to/exactly-once-sql",
    "how-to/push",
    "how-to/binding",
    "how-to/test-consumers",
    "how-to/channels-4",
    "how-to/from-channels-4",
    "how-to/http-by-workers",
    "how-to/server-sent-events",
    "how-to/middleware",
    "how-to/send-in-a-transaction",
)
BLOCKS = [block for name in PAGES for block in page(name).blocks if block.file]
#: The tutorial uses 6379, which may be in use here.
REDIS = "redis://127.0.0.1:6379/0"
#: Follows each block of settings: a slow machine refuses no handshake and no request.
PATIENT = """
CHANNEL_WORKERS = globals().get("CHANNEL_WORKERS", {}) | {
    "HANDSHAKE_TIMEOUT": 60,
    "REQUEST_WAIT_TIMEOUT": 60,
}
"""


def blocks_of(file: str) -> list[Block]:
    return [block for block in BLOCKS if block.file == file]


@dataclass
class Project:
    """The reader's project."""

    folder: Path
    start_process: Processes
    redis: RedisServer
    python: Path = Path(sys.executable)
    source: str = str(ROOT)  # empty for a python in which the package is installed

    @property
    def env(self) -> dict[str, str]:
        path = {"PYTHONPATH": self.source} if self.source else {}
        return {**path, "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self) -> None:
        """Follow the first steps: an empty project and an app, settings and asgi.py."""
        self.folder.mkdir()
        console = page("tutorial/board").blocks[0].text
        for command in re.findall(r"^\$ (django-admin .*)$", console, re.MULTILINE):
            subprocess.run(
                [self.python, "-m", "django", *command.split()[1:]],
                cwd=self.folder,
                env=clean_environment(),
                check=True,
            )
        self.manage("startapp", "board")
        self.write_all("mysite/settings.py", 0)
        self.write_all("mysite/asgi.py", 0)

    def manage(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run `manage.py` to completion and return its output."""
        return self.run("manage.py", *arguments, env=env)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run Python in the folder to completion and return its output."""
        result = subprocess.run(
            [self.python, *arguments],
            cwd=self.folder,
            env=clean_environment() | self.env | dict(env or {}),
            check=False,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def make_tables(self) -> None:
        """Run `makemigrations board` and `migrate`, in one process."""
        lines = (
            "import os, django",
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'",
            "django.setup()",
            "from django.core.management import call_command",
            "call_command('makemigrations', 'board')",
            "call_command('migrate')",
        )
        self.run("-c", "\n".join(lines))

    def write(self, block: Block) -> None:
        """Apply a block of the tutorial."""
        assert block.file
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = block.text.replace(REDIS, self.redis.url)
        if path.name == "settings.py":
            text += PATIENT
        path.write_text((path.read_text() if block.is_added else "") + text)

    def write_all(self, file: str, number: int) -> None:
        self.write(blocks_of(file)[number])

    def route(self, routing: str) -> None:
        """Write the routing, given as a Python expression."""
        lines = "from channels_workers import include, route", f"channel_routing = {routing}", ""
        (self.folder / "board" / "routing.py").write_text("\n".join(lines))

    def use_routing(self, path: str) -> None:
        """Take the routing of this path for that of the page."""
        with (self.folder / "mysite" / "settings.py").open("a") as file:
            file.write(f'CHANNEL_ROUTING = "{path}"\n')

    def log_in_ann(self) -> None:
        """Create the user ann, and log her in twice."""
        lines = (
            "from django.contrib.auth.models import User",
            "from django.test import Client",
            "ann = User.objects.create_user('ann')",
            "for client in (Client(), Client()):",
            "    client.force_login(ann)",
            "    print(client.session.session_key)",
        )
        keys = self.manage("shell", "--no-imports", "-c", "\n".join(lines))
        (self.folder / "keys of ann").write_text(keys)

    @property
    def keys(self) -> list[str]:
        """The keys of ann's two sessions."""
        return (self.folder / "keys of ann").read_text().split()

    @property
    def key(self) -> str:
        """The key of ann's first session."""
        return self.keys[0]

    def serve(self) -> Server:
        """Start `manage.py runserver`."""
        port = free_port()
        command = [self.python, "manage.py", "runserver", "--noreload", str(port)]
        process = self.start_process(command, name="runserver", env=self.env, cwd=self.folder)
        return Server(port, process.wait_until_listening(port))


#: Makes a copy of the project.
Copy = Callable[[], Project]

#: The files of the consumers that share a project.
PARTS = (
    *("board/models.py", "board/slow.py", "board/progress.py", "board/record.py", "board/once.py"),
    *("board/handshake.py", "board/rows.py", "board/guarded.py", "board/members.py"),
    *("board/later.py", "board/generics.py", "board/streams.py", "board/classes.py"),
    *("board/async_views.py", "board/tasks.py", "mysite/routing.py", "board/tests.py"),
)

ANNOUNCE = """
from board.async_views import announce
from django.urls import path

urlpatterns = [path("announce/", announce)]
"""

#: `below(path, module, connect=name, ...)` puts the consumers of a module below a path.
BELOW = """
from channels_workers import Group, include, route

def accept(message):
    message.reply_channel.send({"accept": True})

def say(message):
    Group("board-news").send({"text": message["text"]})

def below(path, module="", **consumers):
    return include(
        [
            route(f"websocket.{name}", f"{module}.{each}" if isinstance(each, str) else each)
            for name, each in ({"connect": accept} | consumers).items()
        ],
        path=f"^/{path}/",
    )
"""
#: Most consumers of the pages in one project, for the layer in memory and one `runserver`.
#: The board comes last: it takes all other paths.
ROUTING = f"""{BELOW}
channel_routing = [
    below("slow", "board.slow", receive="ws_receive_slowly"),
    below("progress", "board.progress", receive="ws_receive"),
    below("record", "board.record", receive="ws_receive"),
    below("once", "board.once", receive="ws_receive"),
    below("handshake", "board.handshake", connect="ws_connect"),
    below("rows", "board.rows", connect="ws_connect", receive=say),
    below("guarded", "board.guarded", connect="ws_connect", receive="ws_receive"),
    below(
        "members",
        "board.members",
        connect="ws_connect",
        receive="ws_receive",
        disconnect="ws_disconnect",
    ),
    below("later", "board.later", connect="ws_connect"),
    include("board.generics.channel_routing", path="^/generics"),
    include("board.streams.channel_routing"),
    include("mysite.routing.channel_routing", path="^/included"),
    include("board.routing.channel_routing"),
]
"""

#: Others, for the layer in Redis, Daphne and a worker.
LIVE = f"""{BELOW}
channel_routing = [
    below("members", "board.members", connect="ws_connect"),
    below("later", "board.later", connect="ws_connect", receive="ws_receive"),
    include("board.live.channel_routing"),
    include("board.routing.channel_routing"),
]
"""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, redis_of_session: RedisServer) -> Path:
    """The folder of a project after the first two blocks: settings and asgi.py.

    It has tables, and ann is logged in.
    """
    folder = tmp_path_factory.mktemp("tutorial")
    project = Project(folder / "project", Processes(folder), redis_of_session)
    project.start()
    project.manage("migrate", "--skip-checks")  # the routing does not exist yet
    project.log_in_ann()
    return project.folder


@pytest.fixture
def project(
    started: Path, tmp_path: Path, start_process: Processes, redis_server: RedisServer
) -> Project:
    """A copy of that project."""
    folder = Path(shutil.copytree(started, tmp_path / "project"))
    return Project(folder, start_process, redis_server)


@pytest.fixture(scope="module")
def of_module(started: Path, tmp_path_factory: pytest.TempPathFactory, shared: Shared) -> Copy:
    """Makes copies whose processes all tests of this file share."""

    def copied() -> Project:
        folder = Path(shutil.copytree(started, tmp_path_factory.mktemp("shared") / "project"))
        return Project(folder, shared.start_process, shared.redis)

    return copied


@pytest.fixture(scope="module")
def pages(of_module: Copy) -> Project:
    """A project with most consumers of the pages."""
    project = of_module()
    project.write_all("board/consumers.py", 1)
    project.write_all("board/routing.py", 1)
    project.write_all("mysite/asgi.py", 1)
    for file in PARTS:
        project.write_all(file, 0)
    (project.folder / "board" / "shared.py").write_text(ROUTING)
    (project.folder / "mysite" / "urls.py").write_text(ANNOUNCE)
    later = project.folder / "board" / "later.py"
    later.write_text(later.read_text().replace("delay=300", "delay=0.5"))
    with (project.folder / "board" / "tasks.py").open("a") as file:
        file.write("\n\ndef digest(message, kind):\n    pass\n")
    project.use_routing("board.shared.channel_routing")
    project.make_tables()
    return project


@pytest.fixture(scope="module")
def site(pages: Project) -> Server:
    """The `runserver` of that project."""
    return pages.serve()


@pytest.fixture(scope="module")
def live(of_module: Copy) -> Project:
    """A project with consumers of the pages, for the layer in Redis."""
    project = of_module()
    project.write_all("mysite/settings.py", 1)
    for number in range(3):
        project.write_all("board/models.py", number)
    for file in ("board/members.py", "board/signals.py", "board/later.py", "board/live.py"):
        project.write_all(file, 0)
    project.write_all("board/consumers.py", 1)
    project.write_all("board/routing.py", 1)
    (project.folder / "board" / "shared.py").write_text(LIVE)
    with (project.folder / "board" / "apps.py").open("a") as file:
        file.write("\n    def ready(self):\n        from board import signals\n")
    project.use_routing("board.shared.channel_routing")
    project.make_tables()
    return project


@pytest.fixture(scope="module")
def live_site(live: Project) -> Server:
    """The Daphne of that project, which has a worker."""
    server = start_daphne(live)
    start_worker(live)
    return server


@pytest.fixture
def board(project: Project) -> Project:
    """The project with the board."""
    project.write_all("board/consumers.py", 1)
    project.write_all("board/routing.py", 1)
    return project


@contextmanager
def opened(
    server: Server, path: str, origin: str | None = None, session_key: str = ""
) -> Iterator[ClientConnection]:
    """A socket, opened by a page of this site or of another."""
    of_page = Origin(origin or server.url)
    headers = {"Cookie": f"sessionid={session_key}"} if session_key else {}
    with connect(
        server.socket_url + path, open_timeout=60, origin=of_page, additional_headers=headers
    ) as socket:
        yield socket


def test_the_echo(project: Project) -> None:
    project.write_all("board/consumers.py", 0)
    project.write_all("board/routing.py", 0)
    project.manage("migrate")  # and the system checks
    server = project.serve()
    with opened(server, "/board/news/") as socket:
        socket.send("hello")
        assert socket.recv(60) == "hello"
    assert_static_files(server)


def assert_static_files(server: Server) -> None:
    """`runserver` serves them, with the app daphne and without."""
    assert "body {" in server.get("/static/admin/css/base.css")


def test_the_board(site: Server) -> None:
    hello, one = re.findall(r'`(\{"line": .*?\})`', page("tutorial/board").text)
    with opened(site, "/board/news/") as ann, opened(site, "/board/news/") as bob:
        ann.send("hello")
        assert [ann.recv(60), bob.recv(60)] == [hello] * 2
        with opened(site, "/board/tea/") as eve:
            eve.send("mine")
            assert eve.recv(60) == '{"line": "mine", "number": 1}'
        ann.send("one")
        assert [ann.recv(60), bob.recv(60)] == [one] * 2
        bob.send(b"binary")
        with pytest.raises(ConnectionClosed) as caught:
            bob.recv(60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4000


def test_refused_clients(site: Server) -> None:
    for path, origin in (
        ("/board/1/", None),
        ("/", None),
        ("/board/news/", "https://evil.example"),
    ):
        with pytest.raises(InvalidStatus, match="403"), opened(site, path, origin):
            pass


def start_daphne(project: Project) -> Server:
    """Start Daphne with the page's command line, on a free port."""
    port = free_port()
    (found,) = re.findall(r"^\$ daphne (.+)$", page("tutorial/processes").text, re.M)
    command = [project.python.with_name("daphne"), "-p", str(port), *found.split()]
    process = project.start_process(command, name="daphne", env=project.env, cwd=project.folder)
    return Server(port, process.wait_until_listening(port))


def start_worker(project: Project) -> Process:
    """Start a worker with the page's command line, and wait until it listens."""
    (found,) = re.findall(
        r"^\$ python manage.py runworker (.+)$", page("tutorial/processes").text, re.M
    )
    command = [project.python, "manage.py", "runworker", *found.split()]
    process = project.start_process(command, name="worker", env=project.env, cwd=project.folder)
    process.wait_for_line("listening on channels")
    return process


def test_several_processes_and_background_tasks(board: Project) -> None:
    for file in ("board/views.py", "board/tasks.py", "mysite/urls.py"):
        board.write_all(file, 0)
    board.write_all("board/routing.py", 2)
    board.write_all("mysite/settings.py", 1)
    board.write_all("board/management/commands/announce.py", 0)
    board.manage("check", "--database", "default")
    server = start_daphne(board)
    worker = start_worker(board)
    with opened(server, "/board/news/") as ann:
        with urllib.request.urlopen(f"{server.url}/invite/bob/", timeout=60) as response:
            assert response.status == 202
        assert ann.recv(60) == "bob is here"
        board.manage("announce", "news", "from a command")
        assert ann.recv(60) == "from a command"
        send = 'from channels_workers import Channel; Channel("board.welcome").send({"user": 2})'
        board.manage("shell", "-c", send)
        assert ann.recv(60) == "bob is here"
        assert worker.terminate() == 0
        ann.send("while no worker runs")
        start_worker(board)
        assert ann.recv(60) == '{"line": "while no worker runs", "number": 1}'
        flush = page("how-to/recover").marked("command", "flush")
        found = re.search(r'-c "(.*)"$', flush.strip())
        assert found
        board.manage("shell", "-c", found[1])
        ann.send("and after it")
        assert ann.recv(60) == '{"line": "and after it", "number": 2}'


SHOUT = """
from django.urls import path

from board.shouting import look, start

urlpatterns = [path("shout/<str:text>/", start), path("shouted/<str:result_id>/", look)]
"""

RETRIED = """
from channels_workers import Channel, Group
from channels_workers.test import Client, TransactionChannelTestCase
from board.background import fetch

class Test(TransactionChannelTestCase):
    def test(self):
        result = fetch.enqueue("there")
        client = Client()
        client.join_group("board-news")
        client.consume("tasks.default")
        for seconds in (3, 8):
            now = client.channel_layer.store.clock()
            client.channel_layer.store.clock = lambda: now + seconds
            client.channel_layer.admin.send_due()
            client.consume("tasks.default")
        result.refresh()
        self.assertEqual((result.status, result.attempts), ("SUCCESSFUL", 3))
        self.assertEqual(client.receive(), {"text": "there at attempt 3"})
"""


def test_tasks_of_django(board: Project) -> None:
    setting = [block for block in blocks_of("mysite/settings.py") if "TASKS" in block.text]
    assert len(setting) == 2
    for block in setting:
        board.write(block)
    board.write_all("board/background.py", 0)
    board.write_all("board/shouting.py", 0)
    (board.folder / "mysite" / "urls.py").write_text(SHOUT)
    (board.folder / "board" / "tests.py").write_text(RETRIED)
    board.manage("check")
    board.manage("migrate")
    board.manage("test", "board")
    server = board.serve()
    with opened(server, "/board/news/") as ann:
        with urllib.request.urlopen(f"{server.url}/shout/hello/", timeout=20) as response:
            result = json.load(response)["id"]
        heard = {ann.recv(20)}
        wait_for(lambda: heard.add(ann.recv(20)) or heard >= {"HELLO", "TICK"}, "both", 60)

        def shown() -> dict[str, object]:
            found: dict[str, object]
            with urllib.request.urlopen(f"{server.url}/shouted/{result}/", timeout=20) as page:
                found = json.load(page)
            return found

        expected = {"status": "SUCCESSFUL", "value": 5}
        wait_for(lambda: shown() == expected, "the result", 20)


def test_the_deployed_board(board: Project) -> None:
    for number in (1, 2):
        board.write_all("mysite/settings.py", number)
    deploy = page("tutorial/deploy")
    (board.folder / "Procfile").write_text(deploy.marked("file", "Procfile"))
    (release,) = re.findall(
        r"^release: python manage.py (.+)$", deploy.marked("file", "Procfile"), re.M
    )
    (started,) = re.findall(r"^\$ honcho start --port 8000 (.+)$", deploy.text, re.M)
    env = board.env | {"SECRET_KEY": "x" * 50, "PATH": path_of(board.python)}
    board.manage(release, env=env)
    board.manage("check", "--deploy", "--database", "default", env=env)
    port = free_port()
    command = [sys.executable, "-m", "honcho", "start", "--port", str(port), *started.split()]
    honcho = board.start_process(command, name="honcho", env=env, cwd=board.folder)
    server = Server(port, honcho.wait_until_listening(port))
    honcho.wait_for_line(r"worker\.2.*listening on channels")
    with opened(server, "/board/news/") as ann, opened(server, "/board/news/") as bob:
        ann.send("one")
        assert [ann.recv(60), bob.recv(60)] == ['{"line": "one", "number": 1}'] * 2
    with (
        pytest.raises(InvalidStatus, match="403"),
        opened(server, "/board/news/", "https://a.test"),
    ):
        pass


def path_of(python: Path) -> str:
    """The PATH of an activated virtual environment."""
    return os.pathsep.join([str(python.parent), os.environ["PATH"]])


# The other consumers of the pages


@pytest.mark.parametrize(
    ("path", "sent", "expected"),
    [
        ("/slow/", ["hi"], ["after a while: hi"]),
        ("/progress/", ["hi"], ["working", "done"]),
        ("/record/", ["hi"], [r"line \d+ is stored"]),
        ("/once/", ["hi", "ho"], [r"\d+: hi", r"\d+: ho"]),
    ],
)
def test_the_other_consumers(path: str, sent: list[str], expected: list[str], site: Server) -> None:
    with opened(site, path) as socket:
        for text in sent:
            socket.send(text)
        for pattern in expected:
            assert re.fullmatch(pattern, str(socket.recv(60)))


def test_the_consumer_that_reads_the_handshake(site: Server) -> None:
    headers, path = {"Accept-Language": "fr"}, "/handshake/?name=ann"
    with connect(site.socket_url + path, open_timeout=60, additional_headers=headers) as socket:
        assert socket.recv(60) == "ann reads fr"


def test_a_consumer_that_joins_and_then_reads(site: Server) -> None:
    with opened(site, "/record/") as socket:
        socket.send("a line")
        socket.recv(60)
    with opened(site, "/rows/") as socket:
        wait_for(lambda: socket.recv(60) == "a line", "the last line")
        socket.send("news")
        assert socket.recv(60) == "news"


TWICE = """
from channels_workers.exceptions import ConsumeLater
from channels_workers.test import ChannelTestCase, WSClient, apply_routes
from channels_workers import route
from board.models import Line
from board.record import ws_receive

ids = []

def dies_before_its_first_commit(message):
    ws_receive(message)
    ids.append(message.id)
    if len(ids) == 1:
        raise ConsumeLater

class Test(ChannelTestCase):
    @apply_routes(route("websocket.receive", dies_before_its_first_commit))
    def test(self):
        socket = WSClient()
        with self.assertRaises(ConsumeLater):
            socket.send_and_consume("websocket.receive", text="hi")
        self.assertEqual([Line.objects.count(), socket.receive()], [1, None])
        socket.consume("websocket.receive")
        self.assertEqual([Line.objects.count(), len(set(ids))], [1, 1])
        self.assertEqual(socket.receive(json=False), f"line {Line.objects.get().pk} is stored")
"""


def test_the_tests_of_the_board(pages: Project) -> None:
    (pages.folder / "board" / "test_twice.py").write_text(TWICE)
    pages.manage("test", "board")


def test_the_guarded_consumers(site: Server) -> None:
    with pytest.raises(InvalidStatus, match="403"), opened(site, "/guarded/"):
        pass
    with opened(site, "/guarded/", origin="https://board.example.com") as socket:
        socket.send("short")
        assert socket.recv(60) == "ok"
        socket.send("x" * 201)
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4413


def test_the_routing_with_an_include(site: Server) -> None:
    with opened(site, "/included/board/news/") as ann:
        ann.send("one")
        assert ann.recv(60) == '{"line": "one", "number": 1}'


def test_middleware_around_consumers(board: Project) -> None:
    for file in ("board/timing.py", "board/task_names.py"):
        board.write_all(file, 0)
    [block] = [each for each in page("how-to/middleware").blocks if each.is_added]
    board.write(block)
    with (board.folder / "mysite" / "settings.py").open("a") as file:
        file.write('CHANNEL_WORKERS["MIDDLEWARE"].append("board.task_names.task_names")\n')
        file.write(page("how-to/logs").blocks[0].text)
    server = board.serve()
    with opened(server, "/board/news/") as ann:
        ann.send("one")
        ann.recv(60)
    wait_for(
        lambda: "board.consumers.ws_receive took 0." in server.process.output,
        server.process.describe,
    )


def test_the_class_in_a_group_of_functions(site: Server) -> None:
    with opened(site, "/board/news/") as function, opened(site, "/class/") as instance:
        function.send("one")
        assert [function.recv(60), instance.recv(60)] == ['{"line": "one", "number": 1}'] * 2
        instance.send("two")
        assert [function.recv(60), instance.recv(60)] == ["two", "two"]


def test_the_room_that_comes_from_channels_4(project: Project) -> None:
    project.write_all("board/room.py", 0)
    (apps,) = re.findall(r"^INSTALLED_APPS = (.*)$", page("how-to/from-channels-4").text, re.M)
    with (project.folder / "mysite" / "settings.py").open("a") as file:
        file.write(f"FROM_CHANNELS_4 = {apps}\n")
        file.write(
            "INSTALLED_APPS = FROM_CHANNELS_4 + "
            "[app for app in INSTALLED_APPS if app not in FROM_CHANNELS_4]\n"
        )
        file.write('CHANNEL_ROUTING = "board.room.channel_routing"\n')
    key = project.key
    server = project.serve()
    with (
        opened(server, "/room/lobby/", session_key=key) as ann,
        opened(server, "/room/lobby/") as bob,
        opened(server, "/room/other/") as eve,
    ):
        ann.send('{"text": "hi"}')
        assert [ann.recv(60), bob.recv(60)] == ['{"name": "ann", "text": "hi"}'] * 2
        eve.send('{"text": "alone"}')
        assert eve.recv(60) == '{"name": "", "text": "alone"}'
    assert_static_files(server)


def test_the_list_of_connected_people(project: Project) -> None:
    project.write_all("mysite/settings.py", 1)
    for block in page("how-to/presence").blocks:
        project.write(block)
    project.make_tables()
    key = project.key
    server = start_daphne(project)
    start_worker(project)

    lines = (
        "from board.consumers import people",
        "from board.models import Presence",
        "from django.core.management import call_command",
        "print(*people('news'))",
        "Presence.objects.create(reply_channel='s!1', board='news', name='bob')",
        "print(*people('news'))",
        "call_command('prune')",
        "print(*people('news'))",
    )
    with opened(server, "/board/news/", session_key=key), opened(server, "/board/other/"):
        shown = project.manage("shell", "--no-imports", "-c", "\n".join(lines))
        assert shown.splitlines() == ["ann", "ann bob", "ann"]

    def left() -> int:
        with closing(sqlite3.connect(project.folder / "db.sqlite3")) as database:
            (count,) = database.execute("SELECT count(*) FROM board_presence").fetchone()
        return int(count)

    wait_for(lambda: left() == 0, "nobody", 60)


def test_a_client_that_comes_back(project: Project) -> None:
    for block in page("how-to/resume").blocks:
        if block.file:
            project.write(block)
    consumers = ("connect", "ws_connect"), ("receive", "ws_receive")
    routes = [
        f'route("websocket.{channel}", resuming.{consumer}'
        + (', path=r"^/board/(?P<name>[a-z]{1,20})/$")' if channel == "connect" else ")")
        for channel, consumer in consumers
    ]
    routes.append('route("http.request", "board.stream.follow", path="^/events/$")')
    text = "from board import resuming\nfrom channels_workers import route\n"
    (project.folder / "board" / "routing.py").write_text(
        f"{text}channel_routing = [{', '.join(routes)}]\n"
    )
    with (project.folder / "mysite" / "settings.py").open("a") as file:
        file.write('CHANNEL_WORKERS = {"HTTP": {"/": "interface", "/events/": "workers"}}\n')
    server = start_daphne(project)
    start_worker(project)

    def frames(socket: ClientConnection, count: int) -> list[dict[str, str]]:
        return [json.loads(socket.recv(60)) for _ in range(count)]

    with opened(server, "/board/news/") as ann:
        (hello,) = frames(ann, 1)
        ann.send("one")
        (one,) = frames(ann, 1)
    epoch = hello["at"].partition(":")[0]
    assert (hello["gap"], one) == (False, {"at": f"{epoch}:1", "line": "one"})
    with opened(server, "/board/news/") as bob:
        assert frames(bob, 1) == [{"gap": False, "at": f"{epoch}:1"}]
        bob.send("two")
        frames(bob, 1)
    two = {"at": f"{epoch}:2", "line": "two"}
    with opened(server, f"/board/news/?since={one['at']}") as ann:
        assert frames(ann, 2) == [{"gap": False}, two]
        ann.send("three")
        assert frames(ann, 1) == [{"at": f"{epoch}:3", "line": "three"}]
    with opened(server, "/board/news/?since=nonsense") as eve:
        assert frames(eve, 1) == [{"gap": True, "at": f"{epoch}:3"}]
    assert "1 histories of groups" in project.manage("channelstatus")
    with get(server, "/events/") as stream:
        begun = stream.readline().decode().removeprefix("id: ").strip()
    say = "from board.stream import publish; publish('one'); publish('two')"
    project.manage("shell", "-c", say)
    epoch = begun.removesuffix(":0")
    lines = [
        [b"event: line\n", f"data: {line}\n".encode(), f"id: {epoch}:{at}\n".encode(), b"\n"]
        for at, line in ((1, "one"), (2, "two"))
    ]
    with get(server, "/events/", **{"Last-Event-ID": begun}) as stream:
        assert [sorted(read_event(stream)) for _ in lines] == [sorted(each) for each in lines]
    with get(server, "/events/", **{"Last-Event-ID": "nonsense"}) as stream:
        assert read_event(stream)[1:] == [b"event: gap\n", b"data: \n", b"\n"]


def test_the_members(pages: Project, site: Server) -> None:
    with pytest.raises(InvalidStatus, match="403"), opened(site, "/members/"):
        pass
    with opened(site, "/members/", session_key=pages.key) as socket:
        socket.send("hi")
        assert socket.recv(60) == "ann says hi"


def test_a_log_out_closes_the_sockets(live: Project, live_site: Server) -> None:
    key = live.keys[1]
    with opened(live_site, "/members/", session_key=key) as socket:
        lines = (
            "from django.conf import settings",
            "from django.test import Client",
            "client = Client()",
            f"client.cookies[settings.SESSION_COOKIE_NAME] = {key!r}",
            "client.logout()",
        )
        live.manage("shell", "--no-imports", "-c", "\n".join(lines))
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4401


def test_a_delayed_message_that_is_cancelled(live: Project, live_site: Server) -> None:
    def delayed() -> str:
        return live.manage("channelstatus", "--delayed").splitlines()[-1]

    with opened(live_site, "/later/") as socket:
        wait_for(lambda: delayed() == "1 delayed messages", "the reminder")
        socket.send("hi")
        wait_for(lambda: delayed() == "0 delayed messages", "the end of the reminder")


def test_a_delayed_message_under_runserver(site: Server) -> None:
    with opened(site, "/later/") as socket:
        assert socket.recv(60) == "still here?"


def test_a_row_that_a_signal_announces_and_a_binding_shows(
    live: Project, live_site: Server
) -> None:
    created, update = [json.loads(block.text) for block in page("how-to/binding").blocks[2:]]
    with (
        opened(live_site, "/board/news/") as eve,
        opened(live_site, "/live/", session_key=live.key) as ann,
        opened(live_site, "/live/") as bob,
    ):
        lines = (
            "from django.contrib.auth.models import User",
            "from board.models import Line",
            "User.objects.update(is_staff=True)",
            "Line.objects.create(text='tea', delivery='1')",
        )
        live.manage("shell", "--no-imports", "-c", "\n".join(lines))
        assert eve.recv(60) == "line 1: tea"
        assert [json.loads(one.recv(60)) for one in (ann, bob)] == [created] * 2
        bob.send(json.dumps(update).replace("green", "no"))
        ann.send(json.dumps(update))
        updated = json.loads(bob.recv(60))["payload"]
        assert {"model": "board.line", **update["payload"]} == updated


def test_sends_in_a_transaction(board: Project) -> None:
    board.write_all("board/models.py", 0)
    for file in ("mysite/settings.py", "mysite/urls.py", "board/orders.py", "board/test_orders.py"):
        board.write_all(file, -1)
    board.make_tables()
    board.manage("check", "--database", "default")
    board.manage("test", "board")
    server = board.serve()
    with opened(server, "/board/news/") as socket:
        with urllib.request.urlopen(f"{server.url}/order/tea/", timeout=60) as response:
            assert response.status == 201
        assert socket.recv(60) == "ordered: tea"


def test_the_consumers_as_a_class(pages: Project, site: Server) -> None:
    with (
        opened(site, "/generics/board/news/", session_key=pages.key) as ann,
        opened(site, "/generics/board/news/") as bob,
    ):
        ann.send('{"line": "one"}')
        assert [ann.recv(60), bob.recv(60)] == ['{"line": "one", "by": "ann"}'] * 2
        bob.send('{"line": "two"}')
        assert [ann.recv(60), bob.recv(60)] == ['{"line": "two", "by": ""}'] * 2


def test_a_class_for_each_stream(site: Server) -> None:
    with opened(site, "/streams/") as socket:
        socket.send('{"stream": "echo", "payload": {"a": 1}}')
        assert json.loads(socket.recv(60)) == {"stream": "echo", "payload": {"echo": {"a": 1}}}


def test_one_socket_for_several_parts_and_a_disconnect_that_sends_on(board: Project) -> None:
    for file in ("board/switch.py", "board/parts.py", "board/leaving.py"):
        board.write_all(file, 0)
    board.route(
        '[route("websocket.connect", "board.consumers.ws_connect", path="^/board/(?P<name>tea)/"),'
        ' route("websocket.disconnect", "board.leaving.ws_disconnect"),'
        ' route("board.left", "board.leaving.left"),'
        ' include("board.parts.channel_routing")]'
    )
    server = board.serve()
    with opened(server, "/board/tea/") as ann:
        with opened(server, "/") as bob:
            bob.send('{"command": "join", "name": "tea"}')
            assert bob.recv(60) == "You are on tea"
        assert ann.recv(60) == "somebody left"


def test_an_async_view(site: Server) -> None:
    with opened(site, "/board/news/") as socket:
        assert site.get("/announce/") == "said"
        assert socket.recv(60) == "a word to all"


def get(server: Server, path: str, **headers: str) -> HTTPResponse:
    """The response to a request, whose body may not have come yet."""
    request = urllib.request.Request(server.url + path, headers=headers)
    response = urllib.request.urlopen(request, timeout=60)
    assert isinstance(response, HTTPResponse)
    return response


def write_settings_of(project: Project, name: str) -> None:
    """Add the settings of a page, which are not those of another."""
    (block,) = [one for one in page(name).blocks if one.file == "mysite/settings.py"]
    project.write(block)


def test_consumers_that_answer_requests(project: Project) -> None:
    write_settings_of(project, "how-to/http-by-workers")
    project.write_all("board/answers.py", 0)
    project.use_routing("board.answers.channel_routing")
    project.manage("check")
    server = project.serve()
    with get(server, "/answers/now/") as response:
        assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert response.read() == b"You asked for /answers/now/.\n"
    with get(server, "/answers/later/") as response:
        assert (response.status, response.read()) == (202, b"from elsewhere\n")
    with get(server, "/admin/login/") as response:
        assert b"Django administration" in response.read()


SAY = """
from channels_workers import include, route
from board.events import publish
from board.models import Line

def ws_receive(message):
    publish(Line.objects.create(text=message["text"], delivery=message.id))

channel_routing = [
    include([route("websocket.receive", ws_receive)], path="^/say/"),
    include("board.waiting.channel_routing"),
]
"""


@pytest.fixture(scope="module")
def waiting(of_module: Copy) -> Server:
    """The `runserver` of a project with the event stream and the long poll."""
    project = of_module()
    write_settings_of(project, "how-to/server-sent-events")
    for file in ("board/models.py", "board/events.py", "board/polls.py", "board/waiting.py"):
        project.write_all(file, 0)
    (project.folder / "board" / "routing.py").write_text(SAY)
    project.make_tables()
    return project.serve()


def test_server_sent_events(waiting: Server) -> None:
    event = [b"event: line\n", b"id: 1\n", b"data: tea\n", b"\n"]
    with get(waiting, "/events/", **{"Last-Event-ID": "0"}) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        with opened(waiting, "/say/") as socket:
            socket.send("tea")
            assert read_event(stream) == event
    with get(waiting, "/events/", **{"Last-Event-ID": "0"}) as stream:
        assert read_event(stream) == event


def read_event(stream: HTTPResponse) -> list[bytes]:
    """The lines of the next event, without comments before it."""
    while (line := stream.readline()) in {b"\n", b":\n"}:
        pass
    return [line, *(stream.readline() for _ in range(3))]


def test_a_long_poll(waiting: Server) -> None:
    with opened(waiting, "/") as socket, ThreadPoolExecutor(1) as pool:
        polled = pool.submit(lambda: get(waiting, "/poll/").read())

        def is_answered() -> bool:
            socket.send("tea")  # to nobody, before the request has joined
            return polled.done()

        wait_for(is_answered, waiting.process.describe, 60)
        assert json.loads(polled.result()) == {"line": "tea"}
    waiting.process.wait_for_line("/poll/: answered, or gone")


def test_every_file_of_the_page_is_tested_here() -> None:
    source = Path(__file__).read_text()
    for block in BLOCKS:
        assert f'"{block.file}"' in source, block
