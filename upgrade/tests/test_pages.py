"""Templates and scripts that use WebSocketBridge."""

from pathlib import Path

import pytest

from channels_workers_upgrade.files import is_page
from channels_workers_upgrade.pages import find_bridges
from channels_workers_upgrade.project import Project

CASES = {
    "a script": ("x = 1;\nnew channels.WebSocketBridge();\nWebSocketBridge;\n", ["2 note"]),
    "a page": (
        "{% load i18n staticfiles %}\n"
        "<script src=\"{% static 'channels/js/websocketbridge.js' %}\"></script>\n",
        ["1", "2 note"],
    ),
    "a bundle": ("import { WebSocketBridge } from 'django-channels'\n", ["1 note", "1 note"]),
    "another page": ("{% load staticfiles %}\nnew WebSocket('/')\n", []),
}


@pytest.mark.parametrize("case", CASES)
def test_bridges(case: str) -> None:
    text, said = CASES[case]
    found = [f"{one.line}{' note' * one.is_note}" for one in sorted(find_bridges(text))]
    assert found == said


@pytest.mark.parametrize("name", ["a.html", "a.js", "a.ts", "a.coffee", "a.vue", "a.jsx", "a.tsx"])
def test_pages_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("new WebSocketBridge()")
    project = Project()
    project.take(tmp_path / name)
    assert len(project.report) == 1


@pytest.mark.parametrize("name", ["a.min.js", "a.css", "html"])
def test_other_files_are_not(name: str) -> None:
    assert not is_page(Path(name))
