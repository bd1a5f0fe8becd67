"""Which environment variables the chat knows, by the table of docs/chat/running.md."""

import re

from tests.docs.pages import first_codes, page


def known_variables() -> set[str]:
    """The names in the table, which a test compares with the settings and the Procfile."""
    return set(first_codes([[row[0]] for row in page("chat/running").table("environment")]))


def variables_of(text: str) -> dict[str, str]:
    """The variables of a file of lines such as NAME=value, with comments."""
    pairs = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    assert len(dict(pairs)) == len(pairs), "A variable stands there twice."
    return dict(pairs)
