"""The bundles of chat/client that pages load, and their size."""

import re
import subprocess
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from labs.harness.project import ROOT
from labs.harness.server import Server
from tests.chat.conftest import Store
from tests.chat.tab import OpenTab

BUNDLES = ["http.js", "lobby.css", "lobby.js", "room.css", "room.js"]
STATIC = ROOT / "chat" / "static" / "chat"
LARGEST = 60 * 1024

SENTENCE = "Fifty sentences of this length are what most rooms begin with."
LANGUAGES = ["en", "zh-hans"]


def header(file: Path) -> str:
    """The esbuild version and the number of sources of a bundle."""
    found = re.match(r"/\* (esbuild [\d.]+), sources (\d+) \*/", file.read_text())
    assert found
    return found[0]


@pytest.mark.parametrize("name", BUNDLES)
def test_bundles_are_up_to_date(name: str, tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts" / "bundle", tmp_path], check=True, timeout=60)
    made, committed = tmp_path / name, STATIC / name
    if header(made).split(",")[0] == header(committed).split(",")[0]:
        assert made.read_text() == committed.read_text()
    else:  # another version of esbuild may produce different output
        assert header(made).split(",")[1] == header(committed).split(",")[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_room_needs_three_requests_and_few_bytes(
    language: str, chat_server: Server, browser: Chrome, open_tab: OpenTab, store: Store
) -> None:
    people = [{"handle": f"Person {n % 7}", "person": f"guest:{n % 7}"} for n in range(60)]
    store(f"weight-{language}", *(each | {"message": SENTENCE} for each in people))
    headers = {"headers": {"Accept-Language": language}}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", headers)
    tab = open_tab(chat_server, f"/weight-{language}/")
    browser.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
    assert tab.run("return document.documentElement.lang") == language
    assert len(tab.messages()) == 50
    tab.wait_until("open")
    loaded = """
        const page = performance.getEntriesByType("navigation");
        const others = performance.getEntriesByType("resource")
          .filter(({ initiatorType }) => initiatorType !== "fetch");
        return [...page, ...others].map(({ name, decodedBodySize }) => [name, decodedBodySize]);
    """
    sizes = {name.rsplit("/", 1)[-1]: size for name, size in tab.run(loaded)}
    sizes.pop("icon.svg", None)
    assert sorted(sizes) == ["", "room.css", "room.js"]
    assert all(sizes.values())
    assert sum(sizes.values()) < LARGEST, sizes
