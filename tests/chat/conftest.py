"""What the tests of the chat share.

open_tab
    `open_tab(server, path)` opens a page of a server in a tab of `browser` and gives the `Tab`.
"""

import pytest
from selenium.webdriver import Chrome

from tests.chat.tab import OpenTab, Tab
from tests.processes.server import Server


@pytest.fixture
def open_tab(browser: Chrome) -> OpenTab:
    tabs: list[Tab] = []

    def open_tab(server: Server, path: str) -> Tab:
        tabs.append(Tab(browser, server.url + path, is_first=not tabs))
        return tabs[-1]

    return open_tab
