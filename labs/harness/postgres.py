"""A real PostgreSQL like the smallest plan: TLS only, 20 connections."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from labs.harness.certificate import make_certificate
from labs.harness.commands import run
from labs.harness.ports import free_port
from labs.harness.processes import Process

#: The limit of the plan.
CONNECTIONS = 20

#: The user of the server if root starts it, because PostgreSQL refuses to run as root.
USERS = ("postgres", "nobody")

ACCESS = """local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


class Postgres:
    """Listens on *port*. *url* is for the app, :meth:`owner` for observers.

    Without *fsync* a commit does not wait for the disk, which is enough for tests.
    """

    def __init__(self, folder: Path, *, fsync: bool = False) -> None:
        self.folder = folder / "postgres"
        self.fsync = fsync
        self.data = self.folder / "data"
        self.port = free_port()
        self.process: Process | None = None
        self._password = secrets.token_urlsafe(16)

    @property
    def url(self) -> str:
        """The DATABASE_URL."""
        return f"postgres://chat:{self._password}@127.0.0.1:{self.port}/chat"

    def create(self) -> None:
        """Create the cluster, start it, create the role and the database."""
        self.folder.mkdir(mode=0o755)
        certificate = make_certificate(self.folder, "server", "postgres.example.com")
        certificate.key.chmod(0o600)
        self._own(self.folder, *self.folder.iterdir())
        made: list[str | Path] = [program("initdb"), "-D", self.data, "-U", "postgres", "--no-sync"]
        made += ["-E", "UTF8", "--locale", "C.UTF-8"]
        made += ["--auth-local", "trust", "--auth-host", "scram-sha-256"]
        run(*self._as_user(), *made, cwd=self.folder)
        (self.data / "pg_hba.conf").write_text(ACCESS)
        self.start()
        with self.owner("postgres") as owner:
            limits = f"LOGIN PASSWORD '{self._password}' CONNECTION LIMIT {CONNECTIONS}"
            owner.execute(f"CREATE ROLE chat {limits}")
            owner.execute("CREATE DATABASE chat OWNER chat")

    def start(self) -> None:
        """Start it. Returns when it accepts connections."""
        options = {
            "ssl": "on",
            "ssl_cert_file": str(self.folder / "server.crt"),
            "ssl_key_file": str(self.folder / "server.key"),
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "on" if self.fsync else "off",
        }
        command = [*self._as_user(), program("postgres"), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = self.folder.parent / "postgres.log"
        self.process = Process("postgres", command, log=log, cwd=self.folder)
        self.process.wait_for_line("ready to accept connections")

    def stop(self) -> None:
        """Stop it gracefully: connections are cut, no data is lost."""
        if self.process is not None and self.process.is_running:
            self.process.signal(signal.SIGINT)
            self.process.wait()

    @contextmanager
    def owner(self, database: str = "chat") -> Iterator[psycopg.Connection[Any]]:
        """Connect as the superuser by a Unix socket, which bypasses the app's limit."""
        address = f"user=postgres dbname={database} host={self.folder} port={self.port}"
        with psycopg.connect(address, autocommit=True) as connection:
            yield connection

    def version(self) -> str:
        """Return the version of the server."""
        with self.owner() as owner:
            row = owner.execute("SHOW server_version").fetchone()
        return str(row[0]).split()[0] if row else ""

    @staticmethod
    def _user() -> str | None:
        if os.geteuid():
            return None
        known = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
        return next(user for user in USERS if user in known)

    def _as_user(self) -> list[str]:
        """Return the prefix of a command that must not run as root."""
        user = self._user()
        return ["setpriv", f"--reuid={user}", "--clear-groups"] if user else []

    def _own(self, *paths: Path) -> None:
        if user := self._user():
            for path in paths:
                shutil.chown(path, user)


def program(name: str) -> str:
    """Return the path of a program of the server, which Debian keeps off the PATH."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise FileNotFoundError(
            f"No {name} of a PostgreSQL server is on the PATH or in /usr/lib/postgresql. Install "
            "one (Debian: postgresql, brew: postgresql)."
        )
    return found
