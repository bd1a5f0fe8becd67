import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.exceptions

from channels_workers.layers.redis.async_pipeline import AsyncPipeline
from channels_workers.layers.redis.blocking_pipeline import BlockingPipeline
from channels_workers.layers.redis.hosts import asyncio_pool, blocking_pool
from channels_workers.layers.redis.resp import packed
from labs.harness.redis_server import RedisServer


class SwallowingPool(redis.asyncio.ConnectionPool):
    """Behaves like redis-py that is cancelled while it reads the reply to its first commands."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.is_connecting = asyncio.Event()

    async def get_connection(self, *arguments: Any) -> Any:  # type: ignore[override]
        self.is_connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await super().get_connection()


@pytest.fixture
def replica(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A server that becomes a replica on command, and a master again at the end."""
    client = redis_server.client()
    yield client
    client.replicaof("no", "one")


def become_replica(client: redis.Redis) -> None:
    client.config_set("replica-serve-stale-data", "yes")
    client.replicaof("127.0.0.1", 1)


# Blocking pipelines


def test_each_command_gets_its_reply(redis_server: RedisServer) -> None:
    line = BlockingPipeline(blocking_pool({"address": redis_server.url}))
    text, error, number = line.execute(("SET", "a", "x"), ("INCR", "a"), ("INCR", "b"))
    assert (text, number) == (b"OK", 1)
    assert isinstance(error, redis.exceptions.ResponseError)
    line.release()


def test_a_cut_connection_is_reopened(redis_server: RedisServer) -> None:
    line = BlockingPipeline(blocking_pool({"address": redis_server.url}))
    (number,) = line.execute(("CLIENT", "ID"))
    redis_server.client().execute_command("CLIENT", "KILL", "ID", number)
    with pytest.raises((redis.exceptions.ConnectionError, OSError)):
        line.execute(("PING",))
    assert line.execute(("PING",)) == [b"PONG"]
    line.release()


def run_of(server: RedisServer) -> str:
    with server.client() as client:
        return str(client.info("server")["run_id"])


def test_a_pipeline_knows_the_run_id_of_its_redis(redis_server: RedisServer) -> None:
    line = BlockingPipeline(blocking_pool({"address": redis_server.url}))
    assert line.run == ""
    line.open()
    before = line.run
    assert before == run_of(redis_server)
    redis_server.stop()
    redis_server.start()
    with pytest.raises((redis.exceptions.ConnectionError, OSError)):
        line.execute(("PING",))
    assert line.run == ""
    line.open()
    assert line.run == run_of(redis_server) != before
    line.release()


def test_a_disconnected_pipeline_sends_nothing(redis_server: RedisServer) -> None:
    """Commands for the previous Redis must not reach another one."""
    line = BlockingPipeline(blocking_pool({"address": redis_server.url}))
    line.open()
    line.release()
    with pytest.raises(redis.exceptions.ConnectionError, match="is down"):
        line.write(packed([("PING",)]))


def test_a_pipeline_without_the_right_to_ask_knows_no_run_id(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.execute_command(*["ACL", "SETUSER", "ann", "on", ">secret", "~*", "+@all", "-info"])
    try:
        line = BlockingPipeline(
            blocking_pool({"address": redis_server.url.replace("//", "//ann:secret@")})
        )
        assert line.execute(("PING",)) == [b"PONG"]
        assert line.run == "?"
        line.release()
    finally:
        with redis_server.client() as client:
            client.execute_command("ACL", "DELUSER", "ann")


def test_a_pipeline_leaves_a_redis_that_became_a_replica(
    redis_server: RedisServer, replica: redis.Redis
) -> None:
    line = BlockingPipeline(blocking_pool({"address": redis_server.url}))
    (before,) = line.execute(("CLIENT", "ID"))
    become_replica(replica)
    line.open()
    line.write(packed([("SET", "a", "x"), ("XREAD", "BLOCK", 1000, "STREAMS", "b", "0")]))
    (error,) = line.read(1)
    assert isinstance(error, redis.exceptions.ReadOnlyError)
    with pytest.raises(redis.exceptions.ConnectionError, match="is a replica now"):
        line.read(1)
    (after,) = line.execute(("CLIENT", "ID"))
    assert after != before
    line.release()


# Asyncio pipelines


def test_an_asyncio_pipeline_gives_each_command_its_reply(redis_server: RedisServer) -> None:
    async def ask() -> list[Any]:
        pool = asyncio_pool({"address": redis_server.url})
        line = AsyncPipeline(pool)
        replies = await line.execute(("SET", "a", "x"), ("INCR", "a"), ("INCR", "b"))
        await line.close()
        await pool.disconnect()
        return replies

    text, error, number = asyncio.run(ask())
    assert (text, number) == (b"OK", 1)
    assert isinstance(error, redis.exceptions.ResponseError)


def test_an_asyncio_pipeline_knows_the_run_id_of_its_redis(redis_server: RedisServer) -> None:
    async def ask() -> str:
        pool = asyncio_pool({"address": redis_server.url})
        line = AsyncPipeline(pool)
        await line.open()
        await line.close()
        await pool.disconnect()
        return line.run

    assert asyncio.run(ask()) == run_of(redis_server)


def test_an_asyncio_pipeline_leaves_a_redis_that_became_a_replica(
    redis_server: RedisServer, replica: redis.Redis
) -> None:
    async def ask() -> tuple[Any, Any]:
        pool = asyncio_pool({"address": redis_server.url})
        line = AsyncPipeline(pool)
        (before,) = await line.execute(("CLIENT", "ID"))
        become_replica(replica)
        (error,) = await line.execute(("SET", "a", "x"))
        assert isinstance(error, redis.exceptions.ReadOnlyError)
        (after,) = await line.execute(("CLIENT", "ID"))
        await line.close()
        await pool.disconnect()
        return before, after

    before, after = asyncio.run(ask())
    assert after != before


def test_a_swallowed_cancellation_during_connect_still_ends_a_pipeline(
    redis_server: RedisServer,
) -> None:
    async def cancel() -> None:
        pool = SwallowingPool(host="127.0.0.1", port=redis_server.port)
        line = AsyncPipeline(pool)
        opening = asyncio.create_task(line.open())
        await pool.is_connecting.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(60):
                await opening
        await line.close()
        await pool.disconnect()

    asyncio.run(cancel())
