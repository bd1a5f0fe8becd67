"""nginx as it is started by somebody without rights, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from labs.harness.processes import Processes
from labs.harness.waiting import wait_for

# What stands in /etc/nginx/nginx.conf of a distribution, or is compiled in: for root alone.
AROUND = """
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {http}
}}
"""


def nginx_program() -> str:
    """The path of nginx, which Debian has where only root looks; FileNotFoundError without one."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise FileNotFoundError(
            "nginx was expected on the PATH or in /usr/sbin, and is in neither. scripts/test and "
            "scripts/rehearse install one."
        )
    return found


class Nginx:
    """Serves what *http* says, which stands in the block of that name; *folder* is its own."""

    def __init__(self, folder: Path, processes: Processes, http: str, port: int) -> None:
        self.folder = folder
        self._write(http)
        file = folder / "nginx.conf"
        command: list[str | Path] = [nginx_program(), "-e", "stderr", "-p", folder, "-c", file]
        self.process = processes(command, name="nginx", cwd=folder)
        self.process.wait_until_listening(port)

    def reload(self, http: str | None = None) -> None:
        """Take another *http*, or read its files again; return when it alone gets what is new.

        Open connections stay with the process that they have.
        """
        if http is not None:
            self._write(http)
        before = self._retired()
        self.process.signal(signal.SIGHUP)
        wait_for(lambda: self._retired() > before, self.process.describe)

    def _retired(self) -> int:
        """How many of its processes take no connections any more."""
        return len(re.findall("gracefully shutting down", self.process.output))

    def _write(self, http: str) -> None:
        # Else root's nginx could not enter the folders of root.
        user = "" if os.geteuid() else "user root;"
        text = AROUND.format(folder=self.folder, user=user, http=http)
        (self.folder / "nginx.conf").write_text(text)
