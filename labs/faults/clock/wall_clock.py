"""The wall clock of one process, adjustable while it runs."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class WallClock:
    """Builds the library to preload in *folder*. RuntimeError without a C compiler."""

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
        """The environment variables of a process that uses this clock."""
        return {"LD_PRELOAD": str(self._library), "FAULTS_CLOCK": str(self._file)}

    def set_ahead(self, seconds: int) -> None:
        """Set the clock ahead of the machine's, or behind it if negative (s)."""
        mode = "r+b" if self._file.exists() else "wb"
        with self._file.open(mode) as file:
            file.write(struct.pack("=q", seconds))
