"""nginx without root privileges, in its own folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

from labs.harness.processes import Processes
from labs.harness.waiting import wait_for

# Replaces /etc/nginx/nginx.conf and the compiled-in paths, which need root.
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
    """The path of nginx, which Debian installs outside of users' PATH."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise FileNotFoundError(
            "nginx was expected on the PATH or in /usr/sbin, and is in neither. scripts/test and "
            "scripts/rehearse install one."
        )
    return found


class Nginx:
    """Runs with *http* as its `http` block. *folder* must be for its files alone."""

    def __init__(self, folder: Path, processes: Processes, http: str, port: int) -> None:
        self.folder = folder
        self._write(http)
        file = folder / "nginx.conf"
        command: list[str | Path] = [nginx_program(), "-e", "stderr", "-p", folder, "-c", file]
        self.process = processes(command, name="nginx", cwd=folder)
        self.process.wait_until_listening(port)

    def reload(self, http: str | None = None) -> None:
        """Load another *http* block, or the files again.

        Returns when the old worker process accepts no more connections. Open connections stay with
        it.
        """
        if http is not None:
            self._write(http)
        before = self._retired()
        self.process.signal(signal.SIGHUP)
        wait_for(lambda: self._retired() > before, self.process.describe)

    def _retired(self) -> int:
        """How many worker processes have begun to shut down."""
        return len(re.findall("gracefully shutting down", self.process.output))

    def _write(self, http: str) -> None:
        # Otherwise worker processes of a root nginx could not enter folders of root.
        user = "" if os.geteuid() else "user root;"
        text = AROUND.format(folder=self.folder, user=user, http=http)
        (self.folder / "nginx.conf").write_text(text)
