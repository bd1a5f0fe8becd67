"""The example of the README is the real output of the command."""

import re
from pathlib import Path

from .moving import findings, move

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_example() -> None:
    before, after = (text for language, text in BLOCKS if language == "python")
    (reported,) = (text for language, text in BLOCKS if not language)
    assert move(before) == after
    lines = [finding.in_file(Path("views.py")) for finding in findings(before)]
    assert reported.splitlines() == lines
