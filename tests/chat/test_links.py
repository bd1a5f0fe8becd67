"""Links in messages: what becomes one, and how long detection takes in a browser."""

import json
from base64 import b64encode
from typing import Any

import pytest
from selenium.webdriver import Chrome

from labs.harness.project import ROOT

LINKS = ROOT / "chat" / "client" / "links.js"


def run(browser: Chrome, script: str, *arguments: object) -> Any:
    """The result of a script that can use `withLinks`."""
    module = "data:text/javascript;base64," + b64encode(LINKS.read_bytes()).decode()
    wrapped = f"""
        const [module, given, done] = arguments;
        import(module).then(({{ withLinks }}) => {{
          const run = (...given) => {{ {script} }};
          done(run(...given));
        }}).catch((error) => done(`${{error}}`));
    """
    browser.get("about:blank")  # a page that may load scripts from data: URLs
    return browser.execute_async_script(wrapped, module, arguments)


LINKED = {
    "see https://a.example/b, and http://c.": ["https://a.example/b", "http://c"],
    "(https://a.example/x)": ["https://a.example/x"],
    "https://a.example/wiki/X_(y)": ["https://a.example/wiki/X_(y)"],
    "https://a.example/wiki/X_(y).": ["https://a.example/wiki/X_(y)"],
    "https://a.example/?q=1!!!»": ["https://a.example/?q=1"],
    "https://... http:// HTTPS://A.example": ["HTTPS://A.example"],
    "xhttp://a.example": [],
    "no link": [],
}


def test_urls_that_become_links(shared_browser: Chrome) -> None:
    script = """
        return given.map((text) => {
          const fragment = withLinks(text);
          if (fragment.textContent !== text) throw new Error(text);
          return [...fragment.querySelectorAll("a")].map((link) => link.textContent);
        });
    """
    texts = list(LINKED)
    found = run(shared_browser, script, *texts)
    assert found == list(LINKED.values()), json.dumps(found)


#: A message has up to 4,000 characters. Longer texts show growth more clearly.
GROWTH = r"""
    const best = (text) => {
      let least = Infinity;
      for (let tries = 0; tries < 5; tries += 1) {
        const began = performance.now();
        withLinks(text);
        least = Math.min(least, performance.now() - began);
      }
      return least;
    };
    const [start, piece] = given;
    const make = (length) => start + piece.repeat(length / piece.length) + "\u{1f600}x ";
    return [best(make(16_000)), best(make(64_000))];
"""


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        ("https://a", "."),
        ("https://a/", "....x"),
        ("https://a/", "..(x"),
        ("", "https://"),
        ("", "https://a/ "),
        ("", "http"),
        ("https://a", "\u0301\u0316"),
        ("https://", "a."),
        ("https://a/", "%"),
        ("https://", "@"),
        ("https://", "[:"),
    ],
)
def test_links_are_found_in_linear_time(start: str, piece: str, shared_browser: Chrome) -> None:
    found = []
    for _ in range(5):  # one measurement may fall into a busy moment of the machine
        short, long = run(shared_browser, GROWTH, start, piece)
        if long < 20 or long < 9 * max(short, 1):
            return
        found.append(f"{short} ms, {long} ms")
    raise AssertionError(found)
