"""nginx instead of the platform's router: it terminates TLS and adds forwarding headers."""

from __future__ import annotations

from pathlib import Path

from labs.harness.certificate import make_certificate
from labs.harness.commands import run
from labs.harness.nginx import Nginx, nginx_program
from labs.harness.ports import free_port
from labs.harness.processes import Processes

#: The host name that the platform gives the app, and one of its owner's.
HOST, OWN_HOST = "chat-rehearsed.herokuapp.com", "localhost"

#: The router sets these headers and replaces those of clients. A connection without traffic ends
#: after 55 s.
CONFIGURATION = """
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
"""


class Router:
    """Forwards *http* and *https* to the dynos with the latest ports."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        folder.mkdir()
        self.folder = folder
        self.processes = processes
        self.http, self.https = free_port(), free_port()
        self.certificate = make_certificate(folder, "router", HOST, OWN_HOST)
        self._nginx: Nginx | None = None

    @property
    def socket_url(self) -> str:
        """The address of the sockets under the owner's name."""
        return f"wss://{OWN_HOST}:{self.https}"

    def version(self) -> str:
        """Return the version of nginx."""
        said = run("/bin/sh", "-c", f"{nginx_program()} -v 2>&1", cwd=self.folder)
        return said.decode().strip().rpartition("/")[2]

    def start(self) -> None:
        """Listen, without dynos at first."""
        self._nginx = Nginx(self.folder, self.processes, self._lead_to([]), self.https)

    def lead_to(self, ports: list[int]) -> None:
        """Forward new requests to these ports. Open sockets stay where they are."""
        assert self._nginx is not None, "The site starts the router first."
        self._nginx.reload(self._lead_to(ports))

    def _lead_to(self, ports: list[int]) -> str:
        dynos = [f"server 127.0.0.1:{port} max_fails=0;" for port in ports]
        return CONFIGURATION.format(
            dynos=" ".join(dynos) or "server 127.0.0.1:9 down; server 127.0.0.1:9 down;",
            http=self.http,
            https=self.https,
            certificate=self.certificate.file,
            key=self.certificate.key,
        )
