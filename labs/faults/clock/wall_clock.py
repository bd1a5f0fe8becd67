"""The wall clock of one process, which can be set while it runs."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class WallClock:
    """Makes what is to be preloaded, in *folder*; RuntimeError without a compiler of C."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._library = folder / "clock.so"
        compiler = shutil.which("cc")
        if compiler is None:
            raise RuntimeError("clock.c needs a compiler; on Debian: apt-get install gcc.")
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE)]
        subprocess.run(command, check=True)
        self.set_ahead(0)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that is to have this clock."""
        return {"LD_PRELOAD": str(self._library), "FAULTS_CLOCK": str(self._file)}

    def set_ahead(self, seconds: int) -> None:
        """Let the clock be ahead of the machine's by so much, or behind it."""
        mode = "r+b" if self._file.exists() else "wb"
        with self._file.open(mode) as file:
            file.write(struct.pack("=q", seconds))
