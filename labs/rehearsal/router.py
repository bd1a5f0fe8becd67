"""nginx in the place of the platform's router: it ends TLS and says who comes, and how."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from labs.harness.commands import run
from labs.harness.nginx import FILES, nginx_program
from labs.harness.ports import free_port, is_listening
from labs.harness.processes import Process
from labs.harness.waiting import wait_for
from labs.rehearsal.certificate import make_certificate

#: The name that the platform gives the app, and one of its owner's.
HOST, OWN_HOST = "chat-rehearsed.herokuapp.com", "localhost"

#: Headers are those of the router; what clients send under these names is replaced. A connection
#: without traffic ends after 55 s.
CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
{user}
events {{ worker_connections 2048; }}
http {{
  access_log off;
  {files}
  map $http_upgrade $connection_header {{ default upgrade; "" close; }}
  upstream web {{ {dynos} }}
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_header;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_buffering off;
      proxy_connect_timeout 5s;
      proxy_read_timeout 55s;
    }}
  }}
}}
"""


class Router:
    """Leads to the dynos whose ports it was told last, from *http* and *https*."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.http, self.https = free_port(), free_port()
        self.certificate = make_certificate(folder, "router", HOST, OWN_HOST)
        self.process: Process | None = None

    @property
    def socket_url(self) -> str:
        """The address of the sockets under the owner's name."""
        return f"wss://{OWN_HOST}:{self.https}"

    def version(self) -> str:
        """Return the version of nginx."""
        said = run("/bin/sh", "-c", f"{nginx_program()} -v 2>&1", cwd=self.folder)
        return said.decode().strip().rpartition("/")[2]

    def start(self) -> None:
        """Listen, with no dyno to lead to."""
        self._write([])
        command = [nginx_program(), "-c", str(self._file), "-p", str(self.folder)]
        log = self.folder / "output.log"
        self.process = Process("nginx", command, log=log, cwd=self.folder)
        self.process.wait_until_listening(self.https)

    def lead_to(self, ports: list[int]) -> None:
        """Lead new requests to these ports; open sockets stay where they are."""
        assert self.process is not None
        before = self._workers()
        self._write(ports)
        self.process.signal(signal.SIGHUP)
        wait_for(lambda: self._workers() - before, "nginx to take its new configuration")
        wait_for(lambda: is_listening(self.https), "nginx to listen")

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()

    def _workers(self) -> set[int]:
        """Return the ids of nginx's worker processes."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(child) for child in tasks.read_text().split()}

    @property
    def _file(self) -> Path:
        return self.folder / "nginx.conf"

    def _write(self, ports: list[int]) -> None:
        dynos = [f"server 127.0.0.1:{port} max_fails=0;" for port in ports]
        text = CONFIGURATION.format(
            folder=self.folder,
            files=FILES.format(folder=self.folder),
            user="" if os.geteuid() else "user root;",
            dynos=" ".join(dynos) or "server 127.0.0.1:9 down; server 127.0.0.1:9 down;",
            http=self.http,
            https=self.https,
            certificate=self.certificate.file,
            key=self.certificate.key,
        )
        self._file.write_text(text)
