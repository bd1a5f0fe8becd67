"""A browser tab of the tests, in a room."""

from collections.abc import Callable
from typing import Any

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from labs.harness.server import Server
from labs.harness.waiting import wait_for


class Tab:
    """One tab of the browser, in a room."""

    def __init__(self, browser: Chrome, url: str, *, is_first: bool = False) -> None:
        self.browser = browser
        if not is_first:
            browser.switch_to.new_window("tab")
        self.handle = browser.current_window_handle
        browser.get(url)

    def __enter__(self) -> "Tab":
        self.browser.switch_to.window(self.handle)
        return self

    def __exit__(self, *error: object) -> None:
        pass

    @property
    def state(self) -> str:
        """The state that the page shows. Empty while it loads."""
        try:
            with self:
                return self.browser.find_element(By.ID, "status").get_attribute("data-state") or ""
        except (NoSuchElementException, StaleElementReferenceException):
            return ""

    def find(self, selector: str) -> list[WebElement]:
        """The visible elements, in order."""
        with self:
            found = self.browser.find_elements(By.CSS_SELECTOR, selector)
            return [element for element in found if element.is_displayed()]

    def texts(self, selector: str) -> list[str]:
        """The texts of the visible elements."""
        try:
            return [element.text for element in self.find(selector)]
        except StaleElementReferenceException:
            return []

    def wait_for_texts(self, selector: str, *texts: str) -> None:
        wait_for(
            lambda: self.texts(selector) == list(texts),
            lambda: f"{texts} in {selector}; there is {self.texts(selector)}",
        )

    def run(self, script: str, *arguments: object) -> Any:
        """The result of a script in the page."""
        with self:
            return self.browser.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        """Type into the focused element."""
        with self:
            self.browser.switch_to.active_element.send_keys(*keys)

    def wait_until(self, state: str) -> None:
        wait_for(lambda: self.state == state, f"the state {state}")

    def say(self, message: str, name: str = "ann") -> None:
        with self:
            handle = self.browser.find_element(By.ID, "handle")
            handle.clear()
            handle.send_keys(name)
            self.browser.find_element(By.ID, "text").send_keys(message, Keys.ENTER)

    def messages(self, selector: str = "[data-id]") -> list[str]:
        """The texts of the messages in the log: delivered ones, or those in another state."""
        with self:
            found = self.browser.find_elements(By.CSS_SELECTOR, f".message{selector} .text")
            return [text.text for text in found]

    def wait_for_messages(self, *messages: str, selector: str = "[data-id]") -> None:
        def seen() -> bool:
            try:
                return self.messages(selector) == list(messages)
            except StaleElementReferenceException:
                return False

        wait_for(seen, lambda: f"{messages}; there is {self.messages('')}", timeout=60)


OpenTab = Callable[[Server, str], Tab]
