"""Memory layers that share their data, of one store or of several shards.

data
    The data of the layers of a test. Each test runs with one shard, two and three.
stores
    The stores of these data.
make_layer
    Makes a layer with these data.
"""

from collections.abc import Sequence

import pytest

from channels_workers.layers.memory import InMemoryChannelLayer, Store
from channels_workers.layers.memory.stores import Stores
from tests.channels_workers.layers.contract import MakeLayer

Data = Store | Stores


@pytest.fixture(params=[1, 2, 3], ids=lambda shards: f"shards_{shards}")
def data(request: pytest.FixtureRequest) -> Data:
    return Store() if request.param == 1 else Stores(request.param)


@pytest.fixture
def stores(data: Data) -> Sequence[Store]:
    return [data] if isinstance(data, Store) else list(data.by_name.values())


@pytest.fixture
def make_layer(data: Data) -> MakeLayer:
    if isinstance(data, Store):
        return lambda **config: InMemoryChannelLayer(store=data, **config)
    return lambda **config: InMemoryChannelLayer(stores=data, **config)
