"""Writes results: Markdown, JSON, and a plot."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labs.harness.project import ROOT
from labs.harness.report import say, write_json

RESULTS = ROOT / "labs" / "benchmarks" / "results"

#: Results of short runs, which are not committed.
QUICK_RESULTS = RESULTS / "quick"


def publish(folder: Path, name: str, text: str, content: dict[str, Any], plot: str = "") -> None:
    """Print *text*, :func:`write` the files, and print their paths."""
    say(text)
    for file in write(folder, name, text, content, plot):
        say(str(file))


def write(
    folder: Path, name: str, text: str, content: dict[str, Any], plot: str = ""
) -> list[Path]:
    """Write the files of *name* into *folder*, and return their paths.

    *plot* is the module that draws the JSON, if any. Without matplotlib there is no plot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    markdown, data = folder / f"{name}.md", folder / f"{name}.json"
    write_json(data, content)
    if not plot or find_spec("matplotlib") is None:
        markdown.write_text(text)
        return [markdown, data]
    command = [sys.executable, "-m", plot, str(data)]
    subprocess.run(command, cwd=ROOT, check=True)
    markdown.write_text(f"{text}\n![{name}]({name}.svg)\n")
    return [markdown, data, folder / f"{name}.svg"]
