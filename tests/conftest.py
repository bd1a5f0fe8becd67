"""Fixtures for all tests: real servers, real processes, a real browser.

Each fixture stops what it has started, by its own handle.

start_process
    `start_process(command, name=..., env={...})` starts a child with a clean environment (only
    PATH, HOME and the like are inherited) and returns a `Process`: `wait_for_line(regex)`,
    `wait_until_listening(port)`, `output`, `terminate()`, `kill()`. Processes that still run are
    stopped with the test. If the test failed, their output is shown.
free_port
    `free_port()` returns a TCP port that nothing listens on.
redis_server
    A real Redis server, empty at the start of each test: `url`, `port`, `flush()`, `client()`,
    `stop()`, `start()`. One process serves the session. A test may stop it without harm to others.
database_url
    The URL of a SQLite database file with all migrations applied, new for each test, for child
    processes. Django's own test database (`db`) is another one.
start_runserver
    `start_runserver(env={...}, port=None)` starts `manage.py runserver --noreload` without Redis
    and returns a `Server`: `url`, `socket_url`, `get(path)`, `join(label)`, `process`, `stop()`.
    To restart it at the same address, pass the `port` of the first.
start_web
    `start_web(server="daphne", env={...}, port=None)` starts the `web` command of the Procfile, or
    uvicorn, on the Redis of `redis_server`, and returns a `Server`.
start_worker
    `start_worker(env={...}, threads=None, wait=True)` starts the `worker` command of the Procfile
    on the same Redis and database and returns its `Process`.
shared
    The same for all tests of a module that do not disturb each other: `shared.start_web(...)`,
    `shared.start_worker(...)`, `shared.redis`. Their Redis and database are those of the module,
    and nothing is removed between its tests.
browser
    A headless Chromium as a Selenium driver, shared by all tests one after the other. Each test
    gets one empty window without cookies on a screen of 1280 by 900. For more windows:
    `browser.switch_to.new_window("tab")`.
run_first
    `run_first(script)` runs a script before the pages' own in the current tab and in new ones,
    until the test ends.

The servers of a test share `database_url` and, except for runserver, `redis_server`. `env` extends
or overrides their environment. They close all sockets at once when they stop.
"""

import gc
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.conf import settings
from selenium.webdriver import Chrome

from channels_workers.log_limits import flood
from labs.harness import ports
from labs.harness.commands import run
from labs.harness.processes import Process, Processes
from labs.harness.procfile import server_command, shell_command
from labs.harness.project import ROOT
from labs.harness.redis_server import RedisServer
from labs.harness.server import Server
from labs.harness.site import WORKER_READY
from tests.processes.chromium import SharedBrowser
from tests.shared_folders import shared_folder

# An interface server inside the tests does not tune a garbage collector with custom settings.
gc.set_threshold(1000, 10, 10)

# Shells start background processes with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Processes of tests stop at once, and do not give up a handshake on a slow machine.
PATIENT = {"DRAIN_TIME": "0", "HANDSHAKE_TIMEOUT": "60"}

failed_key = pytest.StashKey[bool]()

RunFirst = Callable[[str], None]


class StartServer(Protocol):
    """Starts a server. The docstring of this module has details."""

    def __call__(self, *, env: Mapping[str, str] = ..., port: int | None = ...) -> Server: ...


class StartWeb(Protocol):
    """Starts a server of this kind. The docstring of this module has details."""

    def __call__(
        self, server: str = ..., *, env: Mapping[str, str] = ..., port: int | None = ...
    ) -> Server: ...


class StartWorker(Protocol):
    """Starts a worker. The docstring of this module has details."""

    def __call__(
        self, *, env: Mapping[str, str] = ..., threads: int | None = ..., wait: bool = ...
    ) -> Process: ...


def pytest_configure(config: pytest.Config) -> None:
    """Let tests in this process create users quickly, and let us order the files."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    if hasattr(config.option, "loadscopereorder"):
        # pytest-xdist would begin with the files of the most tests, which are the quick ones, and
        # end with some long files in few processes.
        config.option.loadscopereorder = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from the millions of objects that collecting makes: they stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest files if several processes run the tests."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        seconds = Counter[Path]()
        for item in items:
            seconds[item.path] += estimate(item)
        items.sort(key=lambda item: (-seconds[item.path], item.path))


def estimate(item: pytest.Item) -> int:
    """About how long a test takes (ms)."""
    names = set(getattr(item, "fixturenames", ()))
    if "start_process" in names:  # processes of its own
        return 5000
    return 1500 if names & {"migrated_database", "browser", "chat_site"} else 30


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell fixtures whether their test failed."""
    report = yield
    if report.failed:
        item.stash[failed_key] = True
    return report


@pytest.fixture(autouse=True)
def all_lines() -> None:
    """Log every line, whatever earlier tests logged."""
    flood.forget()


@pytest.fixture
def free_port() -> Callable[[], int]:
    return ports.free_port


@pytest.fixture
def start_process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    try:
        started.stop()
    finally:
        if request.node.stash.get(failed_key, False):
            print(started.describe())


@pytest.fixture(scope="session")
def redis_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_server(redis_of_session: RedisServer) -> RedisServer:
    redis_of_session.start()
    redis_of_session.flush()
    return redis_of_session


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def migrate(folder: Path) -> None:
        command = (sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0")
        run(*command, cwd=ROOT, env={"DATABASE_URL": f"sqlite:///{folder}/migrated.sqlite3"})

    return shared_folder(tmp_path_factory, "database", migrate) / "migrated.sqlite3"


@pytest.fixture
def database_url(migrated_database: Path, tmp_path: Path) -> str:
    file = tmp_path / "chat.sqlite3"
    shutil.copy(migrated_database, file)
    return f"sqlite:///{file}"


def runserver_starter(start_process: Processes, database_url: str) -> StartServer:
    """A function that starts `manage.py runserver` on this database."""

    def start(*, env: Mapping[str, str] = {}, port: int | None = None) -> Server:
        port = port or ports.free_port()
        command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        process = start_process(
            command, name="runserver", env={**PATIENT, "DATABASE_URL": database_url, **env}
        )
        return Server(port, process.wait_until_listening(port))

    return start


@pytest.fixture
def start_runserver(start_process: Processes, database_url: str) -> StartServer:
    return runserver_starter(start_process, database_url)


@pytest.fixture
def chat_environment(redis_server: RedisServer, database_url: str) -> dict[str, str]:
    """The common environment of the Procfile's processes."""
    return {
        "REDIS_URL": redis_server.url,
        "DATABASE_URL": database_url,
        "CHAT_RATE_LIMIT": "0",
        **PATIENT,
    }


def web_starter(start_process: Processes, common: Mapping[str, str]) -> StartWeb:
    """A function that starts the `web` command. All its processes have the *common* variables."""

    def start(
        server: str = "daphne", *, env: Mapping[str, str] = {}, port: int | None = None
    ) -> Server:
        port = port or ports.free_port()
        environment = {**common, "PORT": str(port), **env}
        process = start_process(server_command(server), name=server, env=environment)
        return Server(port, process.wait_until_listening(port), server)

    return start


def worker_starter(start_process: Processes, common: Mapping[str, str]) -> StartWorker:
    """The same for the `worker` command."""

    def start(
        *, env: Mapping[str, str] = {}, threads: int | None = None, wait: bool = True
    ) -> Process:
        environment = {**common, **env}
        if threads is not None:
            environment["WORKER_THREADS"] = str(threads)
        process = start_process(shell_command("worker"), name="worker", env=environment)
        if wait:
            process.wait_for_line(WORKER_READY)
        return process

    return start


@pytest.fixture
def start_web(start_process: Processes, chat_environment: dict[str, str]) -> StartWeb:
    return web_starter(start_process, chat_environment)


@pytest.fixture
def start_worker(start_process: Processes, chat_environment: dict[str, str]) -> StartWorker:
    return worker_starter(start_process, chat_environment)


@dataclass(frozen=True)
class Shared:
    """Starts processes that all tests of a module share."""

    start_process: Processes
    redis: RedisServer
    environment: Mapping[str, str]
    start_web: StartWeb
    start_worker: StartWorker


@contextmanager
def sharing(folder: Path, migrated: Path, session: pytest.Session) -> Iterator[Shared]:
    """Processes in this folder. Their output is shown if a test failed meanwhile."""
    shutil.copy(migrated, folder / "chat.sqlite3")
    started, redis = Processes(folder), RedisServer(folder)
    redis.start()
    urls = {"REDIS_URL": redis.url, "DATABASE_URL": f"sqlite:///{folder}/chat.sqlite3"}
    common = urls | {"CHAT_RATE_LIMIT": "0"} | PATIENT
    starters = web_starter(started, common), worker_starter(started, common)
    failed = session.testsfailed
    try:
        yield Shared(started, redis, common, *starters)
        started.stop()
    finally:
        started.kill()
        redis.stop()
        if session.testsfailed > failed:
            print(started.describe())


@pytest.fixture(scope="module")
def shared(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    migrated_database: Path,
) -> Iterator[Shared]:
    with sharing(tmp_path_factory.mktemp("shared"), migrated_database, request.session) as made:
        yield made


@pytest.fixture(scope="session")
def browser_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedBrowser]:
    browser = SharedBrowser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.quit()


@pytest.fixture
def shared_browser(browser_of_all: SharedBrowser) -> Chrome:
    return browser_of_all.in_front()


@pytest.fixture
def browser(shared_browser: Chrome) -> Iterator[Chrome]:
    yield shared_browser
    for window in reversed(shared_browser.window_handles):
        shared_browser.switch_to.window(window)
        shared_browser.execute_script(
            "try { localStorage.clear(); sessionStorage.clear() } catch {}"
        )
        if len(shared_browser.window_handles) > 1:
            shared_browser.close()
    shared_browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    shared_browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    shared_browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    shared_browser.get("about:blank")
    shared_browser.get_log("browser")


@pytest.fixture
def run_first(browser: Chrome) -> Iterator[RunFirst]:
    added: list[dict[str, Any]] = []

    def run_first(script: str) -> None:
        command = "Page.addScriptToEvaluateOnNewDocument"
        added.append(browser.execute_cdp_cmd(command, {"source": script}))

    yield run_first
    for script in added:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
