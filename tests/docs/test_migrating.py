"""Before and after in docs/how-to/from-channels-1.md is what the upgrade command produces."""

from pathlib import Path

from tests.docs.pages import page
from upgrade.tests.moving import move


def blocks_of(heading: str) -> list[str]:
    """The Python code below a heading of the page."""
    whole = page("how-to/from-channels-1")
    lines = whole.text.splitlines()
    start = lines.index(f"## {heading}") + 1
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("## "))
    return [block.text for block in whole.blocks if start < block.line <= end]


def test_settings(tmp_path: Path) -> None:
    before, after = blocks_of("4. Check the settings")
    package = tmp_path / "chat_project"
    package.mkdir()
    (package / "asgi.py").write_text("")
    assert move(before, str(package / "settings.py")) == after


def test_asgi() -> None:
    before, after = blocks_of("5. Check asgi.py")
    assert move(before, "asgi.py") == after


def test_procfile() -> None:
    before, after = blocks_of("7. Change the processes")
    assert "mysite.asgi:channel_layer" in before
    assert "mysite.asgi:application" in after
