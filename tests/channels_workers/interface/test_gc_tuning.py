import gc
from collections.abc import Iterator

import pytest

from channels_workers.interface import gc_tuning


@pytest.fixture
def as_python_starts() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(gc_tuning.DEFAULTS[0], 10, 10)
    yield
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("as_python_starts")
def test_existing_objects_are_frozen_and_thresholds_raised() -> None:
    _, *older = gc.get_threshold()  # Python 3.14 has no third one, and says 0
    gc_tuning.tune_gc()
    assert gc.get_threshold() == (gc_tuning.NEW_OBJECTS, *older)
    assert gc.get_freeze_count() > 10_000


@pytest.mark.usefixtures("as_python_starts")
def test_custom_gc_settings_are_left_alone() -> None:
    gc.set_threshold(900, 5, 5)
    gc_tuning.tune_gc()
    assert gc.get_threshold()[:2] == (900, 5)
    gc.set_threshold(gc_tuning.DEFAULTS[0], 10, 10)
    gc.disable()
    gc_tuning.tune_gc()
    assert gc.get_threshold()[:2] == (gc_tuning.DEFAULTS[0], 10)
    assert gc.get_freeze_count() == 0
