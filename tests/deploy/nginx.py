"""A real nginx with the configuration of deploy/nginx/."""

import re
from collections.abc import Mapping
from pathlib import Path

from labs.harness import nginx as harness
from labs.harness.certificate import make_certificate
from labs.harness.ports import free_port
from labs.harness.processes import Processes
from labs.harness.project import ROOT
from labs.harness.waiting import wait_for

CONFIGURATION = ROOT / "deploy" / "nginx" / "chat.conf"
HOST = "chat.example.org"


class Nginx(harness.Nginx):
    """nginx in front of a Daphne and a Gunicorn on these ports.

    Only those parts of the configuration are changed that operators change too: addresses and
    files, and *changes*.
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
        made = make_certificate(folder, "chat", HOST)
        self.certificate = made.file
        text = CONFIGURATION.read_text()
        for written, wanted in {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "  listen [::]:80;\n": "",
            "  listen [::]:443 ssl;\n": "",
            "127.0.0.1:8000": f"127.0.0.1:{sockets}",
            "127.0.0.1:8001": f"127.0.0.1:{pages}",
            "/etc/letsencrypt/live/chat/fullchain.pem": str(made.file),
            "/etc/letsencrypt/live/chat/privkey.pem": str(made.key),
            "/var/log/nginx/chat.log": str(self.log),
            **(changes or {}),
        }.items():
            assert text.count(written) == 1, written
            text = text.replace(written, wanted)
        super().__init__(folder, start, text, self.port)

    def answered_by(self, request: str) -> int:
        """The port of the process that answered the last request, such as "GET /path"."""
        pattern = rf'"{re.escape(request)} HTTP/1.1" .* 127\.0\.0\.1:(\d+)$'

        def found() -> list[str]:
            return re.findall(pattern, self.log.read_text(), re.MULTILINE)

        return int(wait_for(found, f"the line of {request} in the log of nginx")[-1])
