"""A database outage: messages of that time are stored later, and people who leave are removed."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labs.harness.server import Person
from tests.conftest import StartWeb, StartWorker


class Database:
    """A SQLite file in a folder of its own. While the folder is moved away, nobody can open it."""

    def __init__(self, migrated: Path, folder: Path) -> None:
        self.folder = folder / "database"
        self.folder.mkdir()
        shutil.copy(migrated, self.folder / "chat.sqlite3")
        # reopens the file for each message
        url = f"sqlite:///{self.folder}/chat.sqlite3"
        self.environment = {"DATABASE_URL": url, "DATABASE_CONN_MAX_AGE": "0"}

    @contextmanager
    def away(self) -> Iterator[None]:
        elsewhere = self.folder.rename(self.folder.with_name("put away"))
        try:
            yield
        finally:
            elsewhere.rename(self.folder)


@pytest.fixture
def database(migrated_database: Path, tmp_path: Path) -> Database:
    return Database(migrated_database, tmp_path)


def handles(person: Person) -> list[str]:
    """Who is in the room, according to the server."""
    person.socket.send(json.dumps({"type": "presence"}))
    while True:
        frame: dict[str, Any] = json.loads(person.socket.recv(60))
        if "here" in frame:
            return [one["handle"] for one in frame["here"]]


def hear_of_departure(person: Person) -> None:
    while not any("left" in frame for frame in person.seen):
        person.seen.append(json.loads(person.socket.recv(60)))


def test_messages_and_departures_survive_a_database_outage(
    start_web: StartWeb, start_worker: StartWorker, database: Database
) -> None:
    server = start_web(env=database.environment)
    worker = start_worker(env=database.environment, threads=2)
    with server.join("lobby") as ann:
        with server.join("lobby") as ghost:
            ghost.say("boo", handle="ghost")
            assert ann.hear()["message"] == "boo"
            with database.away():
                ghost.socket.close()
                for number in range(3):
                    ann.say(f"{number}")
                worker.wait_for_line("failed and runs again")
        heard = [ann.hear(timeout=60)["message"] for _ in range(3)]
        assert heard == ["0", "1", "2"], "each once, and in order"
        hear_of_departure(ann)
        assert handles(ann) == ["ann"]
        worker.wait_for_line("Messages that failed run again")
    assert worker.output.count("Traceback") <= 2, "one error, and its cause"
