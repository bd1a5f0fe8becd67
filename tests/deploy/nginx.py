"""A real nginx with the configuration of deploy/nginx/."""

import re
import signal
from collections.abc import Mapping
from pathlib import Path

from labs.harness.nginx import FILES, nginx_program
from labs.harness.ports import free_port
from labs.harness.processes import Process, Processes
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for
from tests.deploy.certificate import write_certificate

CONFIGURATION = ROOT / "deploy" / "nginx" / "chat.conf"
HOST = "chat.example.org"

# What /etc/nginx/nginx.conf of a distribution does around the file, for a user without rights.
AROUND = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{}}
http {{
  access_log off;
  {files}
  include {folder}/chat.conf;
}}
"""


class Nginx:
    """nginx in front of a Daphne and a Gunicorn on these ports.

    Of the configuration only what an operator changes too is changed: addresses and files, and what
    *changes* says besides.
    """

    def __init__(
        self,
        folder: Path,
        start: Processes,
        sockets: int,
        pages: int,
        changes: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir()
        self.port, self.plain_port = free_port(), free_port()
        self.log = folder / "access.log"
        self.certificate, key = write_certificate(folder, HOST)
        text = CONFIGURATION.read_text()
        for written, wanted in {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "  listen [::]:80;\n": "",
            "  listen [::]:443 ssl;\n": "",
            "127.0.0.1:8000": f"127.0.0.1:{sockets}",
            "127.0.0.1:8001": f"127.0.0.1:{pages}",
            "/etc/letsencrypt/live/chat/fullchain.pem": str(self.certificate),
            "/etc/letsencrypt/live/chat/privkey.pem": str(key),
            "/var/log/nginx/chat.log": str(self.log),
            **(changes or {}),
        }.items():
            assert text.count(written) == 1, written
            text = text.replace(written, wanted)
        (folder / "chat.conf").write_text(text)
        (folder / "nginx.conf").write_text(
            AROUND.format(folder=folder, files=FILES.format(folder=folder))
        )
        command = [nginx_program(), "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
        self.process: Process = start(command, name="nginx")
        self.process.wait_until_listening(self.port)

    def reload(self) -> None:
        """Make it read its files again, and wait until its old worker takes nothing new."""
        self.process.signal(signal.SIGHUP)
        self.process.wait_for_line(r"gracefully shutting down")

    def answered_by(self, request: str) -> int:
        """The port of the process that answered the last request such as "GET /path"."""
        pattern = rf'"{re.escape(request)} HTTP/1.1" .* 127\.0\.0\.1:(\d+)$'

        def found() -> list[str]:
            return re.findall(pattern, self.log.read_text(), re.MULTILINE)

        return int(wait_for(found, f"the line of {request} in the log of nginx")[-1])
