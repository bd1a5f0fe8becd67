"""Package index pages: their links are absolute and lead to existing files."""

import re
import tomllib
from pathlib import Path

import pytest

from labs.harness.project import ROOT
from tests.docs.pages import Page

DISTRIBUTIONS = (ROOT, ROOT / "upgrade")

each = pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda folder: folder.name)


def project(folder: Path) -> dict[str, dict[str, str]]:
    """The `project` table of a distribution, whose `readme` is its page."""
    found: dict[str, dict[str, str]] = tomllib.loads((folder / "pyproject.toml").read_text())
    return found["project"]


#: Where the project is published. Defined only here.
REPOSITORY = project(ROOT)["urls"]["Repository"]


def leads_somewhere(link: str) -> bool:
    """Whether a link into the repository names an existing file or folder."""
    kind, _, path = link.removeprefix(REPOSITORY).strip("/").partition("/main/")
    target = ROOT / path
    return {"blob": target.is_file(), "tree": target.is_dir(), "": not path}[kind]


@each
def test_each_link_of_the_page_is_absolute_and_resolves(folder: Path) -> None:
    links = Page(folder / str(project(folder)["readme"])).links
    assert links
    for link in links:
        assert link.startswith(REPOSITORY), f"{link} does not begin with {REPOSITORY}"
        assert leads_somewhere(link), link


@each
def test_each_project_url_resolves(folder: Path) -> None:
    for address in project(folder)["urls"].values():
        assert address.startswith(REPOSITORY)
        assert leads_somewhere(address), address


@each
def test_the_page_says_how_to_install(folder: Path) -> None:
    name = project(folder)["name"]
    text = Page(folder / str(project(folder)["readme"])).text
    assert re.search(rf"^\$ pipx? install {name}$", text, re.MULTILINE)
