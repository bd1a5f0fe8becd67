"""Shared by the tests of data bindings.

registered
    Unregisters the bindings of a test at its end. Every test has it.
"""

from collections.abc import Iterator

import pytest

from channels_workers.binding.base import BindingMetaclass


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    known = len(BindingMetaclass.binding_classes)
    yield
    for binding in BindingMetaclass.binding_classes[known:]:
        if binding.model is not None and not isinstance(binding.model, str):
            for signal, receiver in binding._receivers():
                signal.disconnect(receiver, sender=binding.model)
    del BindingMetaclass.binding_classes[known:]
