"""The recipes of docs/how-to/errors.md on a real worker: what Sentry gets, and what is mailed."""

import gzip
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from websockets.sync.client import connect

from labs.harness.commands import run
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for
from tests.conftest import Shared
from tests.docs.pages import page

SECRET = "Rhabarberbarbara"

MODULE = "tests.processes.failing_consumers"

#: The consumer in the tags, by the path whose consumer fails.
CONSUMERS = {
    "plain": f"{MODULE}.plain",
    "asynchronous": f"{MODULE}.asynchronous",
    "once": f"{MODULE}.once_only",
    "class": f"{MODULE}.Classy",
    "task": "channels_workers.tasks.run.run_task",
    "atask": "channels_workers.tasks.run.run_task",
}

Event = dict[str, Any]


class Sentry:
    """What a real SDK sends to this server."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_packed = self.headers.get("Content-Encoding") == "gzip"
                bodies.append(gzip.decompress(body) if is_packed else body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server.server_port}/1"

    @property
    def events(self) -> list[Event]:
        lines = [line for body in list(self.bodies) for line in body.splitlines()]
        found = [json.loads(line) for line in lines if line.startswith(b"{")]
        return [each for each in found if "exception" in each]

    def wait_for(self, count: int) -> None:
        wait_for(lambda: len(self.events) >= count, lambda: f"{count} events, not {self.events}")

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@dataclass
class Reported:
    """What came of each path, whose consumer failed twice."""

    sentry: Sentry
    mails: list[str]
    log: str


def write_project(folder: Path) -> None:
    """Write the files of the page, with the settings of the page on logs before its own."""
    mysite = folder / "mysite"
    mysite.mkdir()
    files = {"mysite/settings.py": "from tests.processes.failing import *\n"}
    setup = next(each for each in page("how-to/logs").blocks if each.text.startswith("LOGGING"))
    files["mysite/settings.py"] += setup.text
    for block in page("how-to/errors").blocks:
        if block.file is not None:
            files[block.file] = files.get(block.file, "") + "\n" + block.text
    assert set(files) == {"mysite/settings.py", "mysite/sentry.py", "mysite/mails.py"}
    for name, text in files.items():
        (folder / name).write_text(text)


def mails_in(folder: Path) -> list[str]:
    return [
        str(message_from_bytes(part, policy=policy.default))
        for file in sorted(folder.iterdir())
        for part in file.read_bytes().split(b"\n" + b"-" * 79 + b"\n")
        if part.strip()
    ]


@pytest.fixture(scope="module")
def reported(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    folder, mails = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("mails")
    write_project(folder)
    sentry = Sentry()
    env = {
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "PYTHONPATH": f"{folder}:{ROOT}",
        "SENTRY_DSN": sentry.dsn,
        "MAILS": str(mails),
    }
    run(
        sys.executable,
        "manage.py",
        "migrate",
        "-v",
        "0",
        cwd=ROOT,
        env={**shared.environment, **env},
    )
    worker, web = shared.start_worker(env=env), shared.start_web(env=env)
    try:
        for number, path in enumerate(CONSUMERS):
            with connect(f"{web.socket_url}/{path}/?token={SECRET}", open_timeout=60) as socket:
                for again in range(2):
                    socket.send(SECRET)
                    sentry.wait_for(2 * number + again + 1)
        worker.stop()
        web.process.stop()
        yield Reported(sentry, mails_in(mails), worker.output)
    finally:
        sentry.stop()


def events_of(reported: Reported, path: str) -> list[Event]:
    at = list(CONSUMERS).index(path)
    return reported.sentry.events[2 * at : 2 * at + 2]


@pytest.mark.parametrize("path", CONSUMERS)
def test_an_exception_arrives_once_with_its_tags(path: str, reported: Reported) -> None:
    assert len(reported.sentry.events) == 2 * len(CONSUMERS)
    ids = set()
    for event in events_of(reported, path):
        tags = event["tags"]
        assert tags["consumer"] == CONSUMERS[path]
        assert event["exception"]["values"][-1]["type"] == "ValueError"
        if "task" in path:
            assert tags["channel"] == "tasks.default"
        else:
            assert tags["event"] == "consumer_failed"
            assert tags["message_id"].startswith(f"{tags['connection']}:")
        ids.add(tags["message_id"])
    assert len(ids) == 2


def test_sentry_gets_no_content_and_no_query(reported: Reported) -> None:
    assert len(reported.sentry.events) > 0
    assert SECRET.encode() not in b"".join(reported.sentry.bodies)


def test_each_error_is_mailed_once_however_often_it_is_raised(reported: Reported) -> None:
    subjects = [mail.partition("Subject: ")[2].partition("\nFrom:")[0] for mail in reported.mails]
    for name in ("plain", "asynchronous", "once_only", "Classy"):
        assert sum(f"{MODULE}.{name} failed" in " ".join(each.split()) for each in subjects) == 1
    assert reported.log.count("plain failed") == 2


def test_mails_have_the_traceback_and_no_content(reported: Reported) -> None:
    text = "\n".join(reported.mails)
    assert SECRET not in text
    assert "builtins.ValueError (its text is not logged)" in text
    assert "failing_consumers.py" in text
    assert "SECRET_KEY" not in text


def test_the_filter_bounds_all_kinds_together() -> None:
    block = next(each for each in page("how-to/errors").blocks if each.file == "mysite/mails.py")
    names: dict[str, Any] = {}
    exec(block.text, names)
    seldom = names["Seldom"](seconds=3600, most=3)
    passed = [
        seldom.filter(logging.LogRecord("a.project", 40, "file", line, "text", (), None))
        for line in (1, 1, 2, 3, 4, 1)
    ]
    assert passed == [True, False, True, True, False, False]
