"""The chat in production behind nginx: Daphne, Gunicorn, a worker, Redis."""

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from configparser import RawConfigParser
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from labs.harness.commands import run
from labs.harness.ports import free_port
from labs.harness.processes import Process
from labs.harness.project import ROOT
from labs.harness.server import Server
from labs.harness.visitor import Visitor
from tests.conftest import sharing
from tests.deploy.nginx import HOST, Nginx
from tests.shared_folders import shared_folder

SECRET_KEY = "a-secret-key-for-these-tests-alone-that-is-long-enough-0123456789"
UNIT = ROOT / "deploy" / "systemd" / "chat-pages.service"


def gunicorn_command(port: int) -> list[str]:
    """The unit's command, on another port and with an access log."""
    unit = RawConfigParser(strict=False)
    unit.read_string(UNIT.read_text())
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert program.endswith("/.venv/bin/gunicorn")
    arguments[arguments.index("127.0.0.1:8001")] = f"127.0.0.1:{port}"
    return ["gunicorn", *arguments]


@dataclass
class Site:
    """The processes of the chat, and nginx in front of them."""

    daphne: Server
    gunicorn: Server
    nginx: Nginx
    start_gunicorn: Callable[[], Process]

    def visitor(self, address: str = "127.0.0.1", prefix: str = "") -> Visitor:
        """A visitor from this address."""
        return Visitor(HOST, self.nginx.port, self.nginx.certificate, address, prefix)


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of collectstatic."""

    def collect(folder: Path) -> None:
        command = (sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
        env = {"DEBUG": "0", "SECRET_KEY": SECRET_KEY, "STATIC_ROOT": str(folder)}
        run(*command, cwd=ROOT, env=env)

    return shared_folder(tmp_path_factory, "static", collect)


class StartSite(Protocol):
    """Starts the processes. `daphne` may be uvicorn. Gunicorn's environment may be extended.

    If that is None there is no Gunicorn, and the other server serves the pages too.
    """

    def __call__(
        self,
        server: str = ...,
        *,
        env: Mapping[str, str] = ...,
        of_gunicorn: Mapping[str, str] | None = ...,
        changes: Mapping[str, str] = ...,
    ) -> AbstractContextManager[Site]: ...


@pytest.fixture(scope="module")
def start_site(
    request: pytest.FixtureRequest,
    static_root: Path,
    migrated_database: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> StartSite:
    @contextmanager
    def start(
        server: str = "daphne",
        *,
        env: Mapping[str, str] = {},
        of_gunicorn: Mapping[str, str] | None = {},
        changes: Mapping[str, str] = {},
    ) -> Iterator[Site]:
        port = free_port()
        folder = tmp_path_factory.mktemp("site")
        with sharing(folder, migrated_database, request.session) as shared:
            everywhere = {
                **shared.environment,
                "DEBUG": "0",
                "SECRET_KEY": SECRET_KEY,
                "ALLOWED_HOSTS": HOST,
                "BIND": "127.0.0.1",
                "STATIC_ROOT": str(static_root),
                **env,
            }

            def start_gunicorn() -> Process:
                both = {**everywhere, **(of_gunicorn or {})}
                process = shared.start_process(gunicorn_command(port), name="gunicorn", env=both)
                return process.wait_until_listening(port)

            shared.start_worker(env=everywhere)
            web = shared.start_web(server, env=everywhere)
            gunicorn = web if of_gunicorn is None else Server(port, start_gunicorn())
            nginx = Nginx(folder / "nginx", shared.start_process, web.port, gunicorn.port, changes)
            yield Site(web, gunicorn, nginx, start_gunicorn)

    return start


@pytest.fixture(scope="module")
def site(start_site: StartSite) -> Iterator[Site]:
    """The site of all tests of a module."""
    with start_site() as made:
        yield made
