"""Shared by the tests of metrics.

instruments
    New instruments, with which everything records that the test makes.
sample
    `sample(name, **labels)` is the value of a sample of these instruments, None without one. The
    name has no `channels_workers_` in front.
"""

from collections.abc import Iterator
from typing import Protocol

import pytest

from channels_workers import recorder
from channels_workers.metrics.instruments import Instruments


class Sample(Protocol):
    """Reads one sample. The docstring of this module has details."""

    def __call__(self, name: str, **labels: str) -> float | None: ...


@pytest.fixture
def instruments() -> Iterator[Instruments]:
    made = Instruments()
    recorder.use(made)
    yield made
    recorder.use(None)


@pytest.fixture
def sample(instruments: Instruments) -> Sample:
    def read(name: str, **labels: str) -> float | None:
        return instruments.registry.get_sample_value(f"channels_workers_{name}", labels)

    return read
