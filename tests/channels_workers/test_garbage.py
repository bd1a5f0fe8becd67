import gc
from collections.abc import Iterator

import pytest

from channels_workers import garbage


@pytest.fixture
def as_python_starts() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(garbage.DEFAULTS[0], 10, 10)
    yield
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("as_python_starts")
def test_what_was_made_before_is_left_out_and_new_objects_are_looked_at_less() -> None:
    garbage.collect_less()
    assert gc.get_threshold() == (garbage.NEW_OBJECTS, 10, 10)
    assert gc.get_freeze_count() > 10_000


@pytest.mark.usefixtures("as_python_starts")
def test_what_somebody_has_set_is_left_alone() -> None:
    gc.set_threshold(900, 5, 5)
    garbage.collect_less()
    assert gc.get_threshold() == (900, 5, 5)
    gc.set_threshold(garbage.DEFAULTS[0], 10, 10)
    gc.disable()
    garbage.collect_less()
    assert gc.get_threshold() == (garbage.DEFAULTS[0], 10, 10)
    assert gc.get_freeze_count() == 0
