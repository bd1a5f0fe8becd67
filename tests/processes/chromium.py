"""A headless Chromium for the tests, driven by ChromeDriver."""

import shutil
from pathlib import Path

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
