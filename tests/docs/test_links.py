"""Links lead somewhere. Those to other sites are not followed."""

import pytest

from labs.harness.project import ROOT
from tests.docs.pages import PATHS, Page

PAGES = [Page(path) for path in PATHS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_a_list_of_contents_names_all_sections(page: Page) -> None:
    contents = [link for link in page.links if link.startswith("#")]
    sections = page.prose.count("\n## ")
    if page.prose.count("\n* [") >= sections > 8:
        assert len(set(contents)) >= sections


def test_readme_leads_to_every_page() -> None:
    readme = Page(ROOT / "README.md")
    linked = {(ROOT / link).resolve() for link in readme.links if "://" not in link}
    assert {page.path for page in PAGES} - {readme.path} <= linked


def test_readme_is_a_door() -> None:
    assert len(Page(ROOT / "README.md").text.splitlines()) <= 65
