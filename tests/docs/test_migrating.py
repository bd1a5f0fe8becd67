"""What docs/migrating.md shows before and after is what the command makes."""

from tests.channels_workers.upgrade.moving import move
from tests.docs.pages import page

BY_HAND = "# by hand"


def blocks_of(heading: str) -> list[str]:
    """The Python below a heading of the page."""
    whole = page("migrating")
    lines = whole.text.splitlines()
    start = lines.index(f"## {heading}") + 1
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("## "))
    return [block.text for block in whole.blocks if start < block.line <= end]


def without_lines_by_hand(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.rstrip().endswith(BY_HAND))


def test_settings() -> None:
    before, after = blocks_of("Settings")
    assert BY_HAND in after
    assert move(before, "settings.py") == without_lines_by_hand(after)


def test_asgi() -> None:
    before, after = blocks_of("asgi.py")
    assert move(before, "asgi.py") == after


def test_procfile() -> None:
    before, after = blocks_of("Processes")
    assert "mysite.asgi:channel_layer" in before
    assert "mysite.asgi:application" in after
