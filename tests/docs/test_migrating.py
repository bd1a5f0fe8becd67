"""Before and after in the pages is what the upgrade command produces."""

import ast
from pathlib import Path

from tests.docs.pages import page
from upgrade.tests.moving import move

GUIDE = "how-to/from-channels-1"
REFERENCE = "reference/upgrade-command"


def blocks_of(name: str, heading: str) -> list[str]:
    """The Python code below a heading of the page."""
    whole = page(name)
    lines = whole.text.splitlines()
    start = lines.index(heading) + 1
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("##"))
    return [block.text for block in whole.blocks if start < block.line <= end]


def test_settings(tmp_path: Path) -> None:
    before, after = blocks_of(REFERENCE, "### Settings before and after")
    package = tmp_path / "chat_project"
    package.mkdir()
    (package / "asgi.py").write_text("")
    assert move(before, str(package / "settings.py")) == after


def test_the_settings_of_the_guide_are_those_of_the_reference() -> None:
    (guide,) = blocks_of(GUIDE, "## 4. Check settings and asgi.py")
    _, after = blocks_of(REFERENCE, "### Settings before and after")
    assert ast.dump(ast.parse(guide)) == ast.dump(ast.parse(after))


def test_asgi() -> None:
    before, after = blocks_of(REFERENCE, "### asgi.py before and after")
    assert move(before, "asgi.py") == after


def test_procfile() -> None:
    before, after = blocks_of(GUIDE, "## 6. Change the processes")
    assert "mysite.asgi:channel_layer" in before
    assert "mysite.asgi:application" in after
