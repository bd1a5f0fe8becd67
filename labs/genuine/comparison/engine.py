"""The two engines: their Python, and the arguments of their processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from labs.harness.project import ROOT

APPLICATIONS = ROOT / "labs" / "genuine" / "applications"


@dataclass(frozen=True)
class Engine:
    """One of the engines. *module* names its settings and its ASGI module."""

    name: str
    python: Path
    module: str
    application: str
    #: The Redis command in which an idle worker blocks.
    waits_in: str
    daphne_options: tuple[str, ...] = ()
    rewritten: bool = False

    @property
    def settings(self) -> str:
        """The module of its settings."""
        return f"labs.genuine.comparison.settings.{self.module}"

    def django(self, *arguments: str) -> list[str]:
        """Return a command of Django."""
        return [str(self.python), "-m", "django", *arguments]

    def daphne(self, port: int) -> list[str]:
        """Return the command of its interface server."""
        served = f"labs.genuine.comparison.asgi.{self.module}:{self.application}"
        address = ["-b", "127.0.0.1", "-p", str(port)]
        return [str(self.python.parent / "daphne"), *address, *self.daphne_options, served]


GENUINE = Engine(
    name="channels 1.1.8",
    python=ROOT / "labs" / "genuine" / ".venv" / "bin" / "python",
    module="genuine",
    application="channel_layer",
    waits_in="blpop",
)
OURS = Engine(
    name="channels_workers",
    python=Path(sys.executable),
    module="ours",
    application="application",
    waits_in="xreadgroup",
    daphne_options=("--websocket_timeout", "-1"),
    rewritten=True,
)
ENGINES = (GENUINE, OURS)


def copy_applications(engine: Engine, folder: Path) -> None:
    """Copy all applications into the new *folder* for *engine*.

    For channels_workers the public upgrade command rewrites them. This is the only difference
    between the code on the two engines. RuntimeError if the command leaves work to do by hand.
    """
    shutil.copytree(APPLICATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if not engine.rewritten:
        return
    command = [sys.executable, "-m", "channels_workers_upgrade", "--write", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT / "upgrade", capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"The upgrade leaves work to do by hand:\n{done.stderr}")
