"""A pytest plugin that deselects browser tests, which do not depend on versions."""

from __future__ import annotations

import pytest

#: The selected tests.
PATHS = (
    "tests/channels_workers",
    "tests/chat",
    "tests/examples",
    "tests/processes/test_procfile.py",
    "--ignore=tests/chat/test_bundle.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect each test that asks for a browser."""
    browsing = [item for item in items if "browser" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=browsing)
    items[:] = [item for item in items if item not in set(browsing)]
