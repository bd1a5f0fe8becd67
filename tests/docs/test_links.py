"""Links resolve. Links to other sites are not followed."""

import re
import subprocess
from pathlib import Path

import pytest

from labs.harness.project import ROOT
from tests.docs.pages import DOCS, PATHS, Page

LABS = [*ROOT.glob("*/README.md"), *ROOT.glob("labs/*/README.md")]
PAGES = [Page(path) for path in [*PATHS, *LABS]]

#: Folders that commands create, and that a checkout does not have.
MADE = {"docs/_build/html", "labs/genuine/.venv", "labs/benchmarks/results/quick"}
MADE |= {"labs/benchmarks/runners/.venv", "labs/benchmarks/peers/.venv"}
MADE |= {"labs/benchmarks/rooms/ws/node_modules"}

#: A page that a text in the code names: a docstring, a hint, a log line.
_NAMED = re.compile(r"\bdocs/(?P<page>[\w/-]+\.md)(?:#(?P<fragment>[\w-]+))?")


def name_of(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_resolve(page: Page) -> None:
    for link in page.links:
        if link.startswith(("http://", "https://")):
            continue
        name, _, fragment = link.partition("#")
        target = (page.path.parent / name).resolve() if name else page.path
        assert target.is_file(), f"{page.path.name} links to {link}"
        assert target.is_relative_to(ROOT)
        if fragment:
            assert fragment in Page(target).anchors, f"{page.path.name} links to {link}"


def test_pages_named_in_the_code_exist() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [ROOT / name for name in listed.stdout.splitlines()]
    named = 0
    for file in files:
        if not file.is_file() or file == ROOT / "CHANGELOG.md":
            continue  # The changelog mentions pages of its time.
        for found in _NAMED.finditer(file.read_bytes().decode(errors="ignore")):
            target = ROOT / "docs" / found["page"]
            assert target.is_file(), f"{file.relative_to(ROOT)} names {found[0]}"
            assert found["fragment"] in {None, *Page(target).anchors}, f"{file} names {found[0]}"
            named += 1
    assert named > 20


def test_readme_leads_to_the_site() -> None:
    assert "docs/index.md" in Page(ROOT / "README.md").links


def test_each_page_is_linked_beside_the_menu() -> None:
    linked = {
        (page.path.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in page.links
    }
    for folder in ("tutorial", "how-to", "reference", "explanation"):
        assert set(DOCS.glob(f"{folder}/**/*.md")) <= linked


def test_the_start_page_leads_to_each_explanation() -> None:
    start = {(DOCS / link.partition("#")[0]) for link in Page(DOCS / "index.md").links}
    assert set(DOCS.glob("explanation/*.md")) <= start


def test_the_readme_is_short() -> None:
    assert len(Page(ROOT / "README.md").text.splitlines()) <= 65


@pytest.mark.parametrize("path", sorted(DOCS.glob("how-to/*.md")), ids=lambda path: path.name)
def test_a_guide_is_read_in_one_go(path: Path) -> None:
    assert 60 <= len(path.read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_repository_files_named_by_a_page_exist(page: Page) -> None:
    if page.path.name == "CHANGELOG.md":
        return  # It mentions files of its time.
    folders = "channels_workers|chat|chat_project|deploy|docs|examples|labs|scripts|tests|upgrade"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.prose):
        assert name in MADE or (ROOT / name).exists(), f"{page.path.name} names {name}"
