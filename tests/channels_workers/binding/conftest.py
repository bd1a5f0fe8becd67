"""Every test of data bindings unregisters its bindings at its end."""

import pytest


@pytest.fixture(autouse=True)
def unregister(registered: None) -> None:
    """Use `registered`."""
