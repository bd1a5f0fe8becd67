"""Environment variables of the chat, according to the table of docs/chat/running.md."""

import re

from tests.docs.pages import first_codes, page


def known_variables() -> set[str]:
    """The names in the table. A test compares it with the settings and the Procfile."""
    return set(first_codes([[row[0]] for row in page("chat/running").table("environment")]))


def variables_of(text: str) -> dict[str, str]:
    """The variables of a file with lines such as NAME=value, and comments."""
    pairs = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    assert len(dict(pairs)) == len(pairs), "A variable stands there twice."
    return dict(pairs)
