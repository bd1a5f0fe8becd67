"""A real Redis like the smallest plan: TLS only, self-signed, 20 connections, 25 MB."""

from __future__ import annotations

import secrets
from pathlib import Path

import redis

from labs.harness.certificate import make_certificate
from labs.harness.redis_server import RedisServer

#: Limits of the plan. Idle connections are closed after the time-out (s).
CONNECTIONS, MEGABYTES, IDLE = 20, 25, 300

#: Clients that watch it permanently from outside, by a Unix socket.
OBSERVERS = 1


class KeyValue(RedisServer):
    """Its *port* speaks TLS. *url* is for the app, :meth:`client` for observers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        certificate = make_certificate(folder, "redis", "redis.example.com")
        self.socket = folder / "redis.socket"
        self.password = secrets.token_urlsafe(16)
        super().__init__(folder)
        self.options = (
            *("--port", "0", "--tls-port", str(self.port), "--unixsocket", str(self.socket)),
            *("--tls-cert-file", str(certificate.file), "--tls-key-file", str(certificate.key)),
            *("--tls-auth-clients", "no", "--requirepass", self.password),
            *("--maxclients", str(CONNECTIONS + OBSERVERS), "--timeout", str(IDLE)),
            *("--maxmemory", f"{MEGABYTES}mb", "--maxmemory-policy", "noeviction"),
        )

    @property
    def url(self) -> str:
        """The REDIS_URL."""
        return f"rediss://:{self.password}@127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        """Return a client on the Unix socket, which bypasses the app's limit. Close it."""
        return redis.Redis(unix_socket_path=str(self.socket), password=self.password)

    def version(self) -> str:
        """Return the version of the server."""
        with self.client() as client:
            return str(client.info("server")["redis_version"])

    def connections(self, client: redis.Redis) -> set[str]:
        """Return the ids of the app's connections, which use TCP."""
        return {each["id"] for each in client.client_list() if "U" not in each["flags"]}
