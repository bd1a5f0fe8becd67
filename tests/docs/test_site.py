"""The site builds without network access and without warnings."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from labs.harness.processes import clean_environment
from labs.harness.project import ROOT
from tests.docs.pages import DOCS, SITE

#: Modules whose names projects import.
PUBLIC = (
    "channels_workers",
    "channels_workers.asgi",
    "channels_workers.auth",
    "channels_workers.binding",
    "channels_workers.binding.base",
    "channels_workers.binding.websockets",
    "channels_workers.channel",
    "channels_workers.exceptions",
    "channels_workers.generic",
    "channels_workers.generic.mixins",
    "channels_workers.generic.websockets",
    "channels_workers.handler",
    "channels_workers.http.sse",
    "channels_workers.message",
    "channels_workers.places",
    "channels_workers.routing",
    "channels_workers.security.websockets",
    "channels_workers.sessions",
    "channels_workers.staticfiles",
    "channels_workers.tasks",
    "channels_workers.test",
)

#: What a page may load: no fonts or scripts from other sites.
_LOADED = re.compile(r"""(?:\ssrc="|<link [^>]*href="|url\(["']?|@import ["'])([^"')]+)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site that scripts/docs builds."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--fail-on-warning", "--quiet"]
    # Neither proxy nor name server: every fetch fails.
    blocked = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    result = subprocess.run(
        [*command, "--doctree-dir", folder / "doctrees", DOCS, folder / "html"],
        cwd=ROOT,
        env=clean_environment() | blocked,
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "html"


def test_each_page_exists_and_is_in_the_contents(site: Path) -> None:
    contents = (site / "index.html").read_text()
    for page in SITE:
        address = page.relative_to(DOCS).with_suffix(".html")
        assert (site / address).is_file()
        if address.name != "index.html" or address.parent.name:
            assert f'href="{address}"' in contents


def test_the_python_api_has_each_public_name(site: Path) -> None:
    pages = (site / "reference" / "python").glob("*.html")
    texts = [page.read_text() for page in pages]
    written = {name for text in texts for name in re.findall(r'\sid="[\w.]+\.(\w+)"', text)}
    for module in map(importlib.import_module, PUBLIC):
        listed = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__ and not name.startswith("_")
        ]
        assert listed
        for name in listed:
            value = getattr(module, name)
            if callable(value):
                assert value.__name__ in written, f"{module.__name__}.{name}"


def test_nothing_is_loaded_from_other_sites(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > len(SITE)
    for file in files:
        for address in _LOADED.findall(file.read_text()):
            assert "//" not in address or address.startswith("data:"), f"{file} loads {address}"


def test_links_of_the_built_pages_resolve(site: Path) -> None:
    texts = {file: file.read_text() for file in site.rglob("*.html")}
    targets = {file: set(re.findall(r'\sid="([^"]+)"', text)) for file, text in texts.items()}
    for file, text in texts.items():
        for link in re.findall(r'<a [^>]*href="([^"]+)"', text):
            name, _, fragment = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = (file.parent / name).resolve() if name else file
            assert target.is_file(), f"{file.name} links to {link}"
            if fragment and target in targets:
                assert fragment in targets[target], f"{file.name} links to {link}"


@pytest.mark.parametrize("name", ["index", "reference/settings", "project/fault-runs"])
def test_a_page_is_no_wider_than_a_phone(site: Path, browser: Chrome, name: str) -> None:
    screen = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get((site / f"{name}.html").as_uri())
    widths = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert browser.execute_script(widths) == [390, 390]
