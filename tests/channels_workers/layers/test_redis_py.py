"""Without redis-py's private parts the layer is slower but behaves the same."""

import asyncio

import pytest
import redis.exceptions

from channels_workers.layers.redis import redis_py
from channels_workers.layers.redis.async_pipeline import PublicAsyncPipeline, make_async_pipeline
from channels_workers.layers.redis.blocking_pipeline import (
    PublicBlockingPipeline,
    make_blocking_pipeline,
)
from channels_workers.layers.redis.hosts import asyncio_pool, blocking_pool
from channels_workers.layers.redis.resp import packed
from labs.harness.redis_server import RedisServer
from tests.channels_workers.layers.contract import LayerContract, other, process
from tests.channels_workers.layers.test_redis import make_layer

__all__ = ["make_layer", "other", "process"]


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates a release of redis-py without the private parts."""
    monkeypatch.setattr(redis_py, "HAS_SOCKET", False)
    monkeypatch.setattr(redis_py, "HAS_TRANSPORT", False)
    for name in ("socket_of", "transport_of"):
        monkeypatch.delattr(redis_py, name)


def test_the_pinned_release_has_the_private_parts() -> None:
    assert redis_py.HAS_SOCKET
    assert redis_py.HAS_TRANSPORT


@pytest.mark.usefixtures("lacking")
def test_a_blocking_pipeline(redis_server: RedisServer) -> None:
    pipeline = make_blocking_pipeline(blocking_pool({"address": redis_server.url}))
    assert isinstance(pipeline, PublicBlockingPipeline)
    text, error, number = pipeline.execute(("SET", "a", "x"), ("INCR", "a"), ("CLIENT", "ID"))
    assert text == b"OK"
    assert isinstance(error, redis.exceptions.ResponseError)
    assert error.__traceback__ is None, "it would keep frames"
    redis_server.client().execute_command("CLIENT", "KILL", "ID", number)
    with pytest.raises((redis.exceptions.ConnectionError, OSError)):
        pipeline.execute(("PING",))
    with pytest.raises(redis.exceptions.ConnectionError, match="is down"):
        pipeline.write(packed([("PING",)]))
    assert pipeline.execute(("PING",)) == [b"PONG"]
    pipeline.release()


@pytest.mark.usefixtures("lacking")
async def test_an_asyncio_pipeline(redis_server: RedisServer) -> None:
    pool = asyncio_pool({"address": redis_server.url})
    pipeline = make_async_pipeline(pool)
    assert isinstance(pipeline, PublicAsyncPipeline)
    text, error, number = await pipeline.execute(("SET", "a", "x"), ("INCR", "a"), ("CLIENT", "ID"))
    assert text == b"OK"
    assert isinstance(error, redis.exceptions.ResponseError)
    assert error.__traceback__ is None, "it would keep frames"
    await asyncio.to_thread(redis_server.client().execute_command, "CLIENT", "KILL", "ID", number)
    with pytest.raises((redis.exceptions.ConnectionError, OSError)):
        await pipeline.execute(("PING",))
    assert await pipeline.execute(("PING",)) == [b"PONG"]
    assert await pipeline.execute() == []
    await pipeline.close()
    await pool.disconnect()


@pytest.mark.usefixtures("lacking")
class TestRedisLayerByPublicMethods(LayerContract):
    """The whole contract on the slower, public methods."""
