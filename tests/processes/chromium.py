"""A headless Chromium for the tests, driven by ChromeDriver."""

import shutil
from pathlib import Path
from typing import cast

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,900",
)


def find_program(*names: str) -> str:
    """The path of the first program that is installed. AssertionError if none is."""
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"There is no {names[0]} on the PATH. scripts/test installs one."
    return found


def start_chromium(profile: Path, log: Path) -> Chrome:
    """Start a browser with an empty profile. Its console can be read by `get_log("browser")`."""
    options = ChromeOptions()
    options.binary_location = find_program(*BROWSERS)
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = ChromeService(find_program("chromedriver"), log_output=str(log))
    return Chrome(options=options, service=service)


# True once the page has drawn a frame, false after 20 s. A page that draws none hears of no
# scrolling and of no change of size.
DRAWS = """
const done = arguments[0];
requestAnimationFrame(() => done(true));
setTimeout(() => done(false), 20_000);
"""


class SharedBrowser:
    """A browser for many tests. It is started anew once it has crashed or draws no frames."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._browser = self._start()

    def in_front(self) -> Chrome:
        """The browser, with its page in front of others: a hidden one draws no frames."""
        if not self._draws():
            print("The shared browser draws no frames: a new one is started.")
            self._browser.quit()
            self._browser = self._start()
            assert self._draws(), "A new browser draws no frames either."
        return self._browser

    def quit(self) -> None:
        """End it."""
        self._browser.quit()

    def _start(self) -> Chrome:
        self._count += 1
        name = self._folder / f"profile-{self._count}"
        return start_chromium(name, self._folder / f"chromedriver-{self._count}.log")

    def _draws(self) -> bool:
        try:
            self._browser.execute_cdp_cmd("Page.bringToFront", {})
            return cast(bool, self._browser.execute_async_script(DRAWS))
        except WebDriverException:  # it has crashed, in an earlier test
            return False
