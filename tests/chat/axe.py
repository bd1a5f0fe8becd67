"""axe-core, which finds accessibility errors in a page."""

from importlib.resources import files
from typing import Any

from selenium.webdriver import Chrome

AXE = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
RUN = """
    const done = arguments[0];
    axe.run(document, { resultTypes: ["violations", "incomplete"] }).then(
      ({ violations, passes }) => done({ violations, passes: passes.length }),
    );
"""


def violations(browser: Chrome) -> list[str]:
    """The accessibility errors of the current page: each rule with the first failing element."""
    browser.execute_script(AXE)
    found: dict[str, Any] = browser.execute_async_script(RUN)
    assert found["passes"] > 10
    return [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
        f" {each['nodes'][0].get('failureSummary', '')}"
        for each in found["violations"]
    ]
