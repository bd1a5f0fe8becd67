from collections.abc import AsyncIterator

import pytest

from tests.channels_workers.client.roles import Host, host


@pytest.fixture
async def server() -> AsyncIterator[Host]:
    async with host() as found:
        yield found
