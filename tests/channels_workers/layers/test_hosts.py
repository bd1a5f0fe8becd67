import asyncio
import traceback
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions
import redis.sentinel
from django.core.exceptions import ImproperlyConfigured
from redis.credentials import UsernamePasswordCredentialProvider

from channels_workers.exceptions import LayerUnavailable
from channels_workers.layers.redis import RedisChannelLayer
from channels_workers.layers.redis.hosts import (
    asyncio_pool,
    blocking_pool,
    check_server,
    describe,
    is_temporary,
    read_hosts,
)
from channels_workers.layers.redis.resp import error_of
from channels_workers.layers.types import Liveness, ProcessInfo
from labs.harness.ports import free_port
from labs.harness.redis_server import RedisServer

ADDRESS = "redis://redis.example.com:6379/0"
SENTINELS = {"sentinels": [("10.0.0.1", 26379)], "master_name": "chat"}


# Which server


@pytest.mark.parametrize("version", ["6.2", "6.2.0", "6.2.21", "6.10.1", "7.0.0", "8.2.1", "10.0"])
def test_versions_from_6_2_are_accepted(version: str) -> None:
    check_server({"redis_version": version, "redis_mode": "standalone"}, ADDRESS)
    check_server({"redis_version": version, "redis_mode": "sentinel"}, ADDRESS)


@pytest.mark.parametrize("version", ["6.1.9", "6.0.16", "5.0.14", "2.8.9", "5", "unknown"])
def test_older_versions_are_refused_with_the_version(version: str) -> None:
    expected = rf"{ADDRESS} is version {version}; 6.2 or later is needed. Upgrade"
    with pytest.raises(LayerUnavailable, match=expected):
        check_server({"redis_version": version, "redis_mode": "standalone"}, ADDRESS)


def test_an_unparsable_version_is_refused() -> None:
    with pytest.raises(LayerUnavailable, match="is version 0; 6.2"):
        check_server({}, ADDRESS)


@pytest.mark.parametrize("name", ["redis_mode", "server_mode"])
def test_a_cluster_is_refused_with_the_remedy(name: str) -> None:
    with pytest.raises(LayerUnavailable, match=rf"{ADDRESS} is a cluster.*one Redis, or a Sent"):
        check_server({"redis_version": "8.0.0", name: "cluster"}, ADDRESS)


def test_a_real_server_is_accepted(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_server.url])
    layer.check_server()
    layer.register("process", ProcessInfo.this("worker"))
    assert layer.heartbeat("process") is Liveness.ALIVE


def test_a_real_cluster_is_refused(redis_cluster: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[redis_cluster.url])
    with pytest.raises(LayerUnavailable, match="is a cluster"):
        layer.check_server()
    with pytest.raises(LayerUnavailable, match="is a cluster"):
        layer.register("process", ProcessInfo.this("worker"))


def test_an_unreachable_server_is_named(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[f"redis://:secret@127.0.0.1:{free_port()}/0"])
    with pytest.raises(
        LayerUnavailable, match=r"Redis at redis://\*\*\*@.* does not ans"
    ) as caught:
        layer.check_server()
    assert "secret" not in str(caught.value)


def test_every_request_to_an_unreachable_server_names_it(redis_server: RedisServer) -> None:
    layer = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{free_port()}/0"])
    questions = [
        lambda: layer.length("channel"),
        lambda: layer.members("group"),
        lambda: layer.load_session("server!1"),
        lambda: asyncio.run(layer.flush()),
        layer.admin.status,
        layer.admin.dead_letters,
        layer.admin.processes,
    ]
    for question in questions:
        with pytest.raises(LayerUnavailable, match="does not answer"):
            question()


# Which hosts


@pytest.mark.parametrize(
    ("hosts", "host"),
    [
        (None, {"address": "redis://localhost:6379"}),
        ([ADDRESS], {"address": ADDRESS}),
        ([("10.0.0.1", 6380)], {"host": "10.0.0.1", "port": 6380}),
        ([{"address": ADDRESS, "password": "x"}], {"address": ADDRESS, "password": "x"}),
        (["rediss://example.com:6380"], {"address": "rediss://example.com:6380"}),
        (["unix:///run/redis.sock"], {"address": "unix:///run/redis.sock"}),
        (["redis://[::1]:6379/3"], {"address": "redis://[::1]:6379/3"}),
        ([SENTINELS], SENTINELS),
    ],
)
def test_accepted_forms_of_a_host(hosts: Any, host: Any) -> None:
    assert read_hosts(hosts) == host


@pytest.mark.parametrize("hosts", [ADDRESS, ADDRESS.encode()])
def test_hosts_must_be_a_list(hosts: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^CONFIG\['hosts'\] of CHANNEL_LAYERS: "):
        read_hosts(hosts)


@pytest.mark.parametrize(("hosts", "number"), [([ADDRESS, "redis://other:6379"], 2)])
def test_there_must_be_exactly_one_host(hosts: Any, number: int) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"names {number} servers.*Name one Redis"):
        read_hosts(hosts)


@pytest.mark.parametrize(
    "address",
    ["http://example.com", "example.com:6379", "redis://example.com:port", "", "redis://x:99999"],
)
def test_an_invalid_address_is_refused_with_the_correct_form(address: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"must be like redis://host:6379/0") as caught:
        read_hosts([address])
    assert repr(address) in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        *("redis://:s3cret/x@example.com/0", "redis://ann:1234/x@example.com:6379/0"),
        *("redis://:12?s3cret@example.com:6379/0", "redis://:12#s3cret@example.com/0"),
        *("redis://ann:s3cret@example.com/0#x", "redis:/ann:s3cret@example.com"),
        *("ann:s3cret@example.com:6379", "s3cret@example.com", "redis://:s3cret"),
        *("redis://ann:s3cret@example.com:port/0", "redis://[s3cret@example.com/0"),
        *("rediss://ann:s3cret@example.com/0?db=x", "redis://ann:s3cret@example.com/abc"),
        *("redis://ann:s3cret@example.com/0?foo=s3cret", "redis://a:s3cret@example.com/0/1"),
        *("redis://example.com/0?password=s3cret&socket_timeout=s3cret", "http://a:s3cret@b"),
        "rediss://ann:s3cret@example.com/0?ssl_cert_reqs=s3cret",
        "rediss://ann:s3cret@example.com/0?ssl_min_version=s3cret",
    ],
)
def test_an_invalid_address_does_not_reveal_the_password(address: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        RedisChannelLayer(hosts=[address])
    shown = "".join(traceback.format_exception(caught.value))
    for secret in ("s3cret", "1234", ":12"):
        assert secret not in shown.replace("line 12", "")


@pytest.mark.parametrize("path", ["abc", "0/1", "-1", "0x", "%30"])
def test_an_invalid_database_number_is_refused(path: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="names no database: a number is to follow"):
        read_hosts([f"redis://example.com:6379/{path}"])


@pytest.mark.parametrize(
    ("option", "name"),
    [
        *(("decode_responses=True", "decode_responses"), ("protocol=3", "protocol")),
        *(("encoding=utf-16", "encoding"), ("legacy_responses=False", "legacy_responses")),
        *(("ssl_cert_reqs=maybe", "ssl_cert_reqs"), ("foo=1", "foo"), ("retry=1", "retry")),
        *(("socket_timeout=soon", "socket_timeout"), ("connection_class=x", "connection_class")),
        *(("db=one", "db"), ("parser_class=x", "parser_class"), ("ssl=True", "ssl")),
    ],
)
def test_an_unsupported_option_is_refused_by_name(option: str, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"example.com:6379/0, \w+ '{name}'"):
        read_hosts([f"rediss://example.com:6379/0?{option}"])
    if "=" in option and name not in ("socket_timeout", "db"):
        host = {"address": "rediss://example.com:6379/0", name: option.partition("=")[2]}
        with pytest.raises(ImproperlyConfigured, match=f"'{name}'"):
            read_hosts([host])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"credential_provider": UsernamePasswordCredentialProvider()},
            "redis-py refuses; look at those of TLS and of the user",
        ),
        ({"retry_on_error": 5}, r"redis-py cannot use \(TypeError\)"),
    ],
)
def test_options_that_redis_py_refuses_show_no_value(options: dict[str, Any], text: str) -> None:
    host = {"address": "redis://ann:secret@example.com:6379/0", **options}
    with pytest.raises(ImproperlyConfigured, match=text) as caught:
        read_hosts([host])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "read"),
    [
        *(("protocol=2", {}), ("decode_responses=False", {}), ("decode_responses=false", {})),
        *(("ssl_cert_reqs=CERT_NONE", {"ssl_cert_reqs": "none"}), ("db=3", {"db": 3})),
        *(
            ("ssl_cert_reqs=none", {"ssl_cert_reqs": "none"}),
            ("client_name=a", {"client_name": "a"}),
        ),
        *(("ssl_cert_reqs=CERT_REQUIRED", {"ssl_cert_reqs": "required"}),),
        ("socket_timeout=1", {"socket_timeout": 1.0}),
        ("password=p%40ss%2F", {"password": "p@ss/"}),
    ],
)
def test_options_in_an_address_are_read(option: str, read: dict[str, Any]) -> None:
    address = "rediss://example.com:6379/0"
    assert read_hosts([f"{address}?{option}"]) == {"address": address, **read}


def test_a_socket_timeout_does_not_end_a_blocking_read() -> None:
    host = read_hosts(["redis://example.com:6379/0?socket_timeout=1"])
    for pool in (blocking_pool(host), asyncio_pool(host)):
        assert pool.connection_kwargs["socket_timeout"] == 5.0


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    server = RedisServer(tmp_path, "--unixsocket", str(path))
    server.start()
    try:
        layer = RedisChannelLayer(hosts=[f"unix://{path}?db=2"])
        channel = await layer.new_channel()
        await layer.send(channel, {"n": 1})
        assert (await layer.receive(channel))["n"] == 1
        await layer.send("name", {"n": 2})
        assert await layer.receive("name") == {"n": 2}
        await layer.retire_server()
        layer.disconnect()
    finally:
        server.stop()


def test_port_0_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="names port 0"):
        read_hosts(["redis://example.com:0/0"])


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ({"address": ADDRESS}, ADDRESS),
        ({"address": "redis://user:pass@example.com:6379/0"}, "redis://***@example.com:6379/0"),
        ({"address": "redis://:p@ss@example.com/0"}, "redis://***@example.com/0"),
        ({"host": "10.0.0.1", "port": 6379}, "10.0.0.1:6379"),
        (SENTINELS, "chat"),
    ],
)
def test_a_host_is_shown_without_its_password(host: Any, text: str) -> None:
    assert describe(host) == text


# Pools


def test_threads_and_event_loops_reach_the_same_database(redis_server: RedisServer) -> None:
    host = read_hosts([f"redis://127.0.0.1:{redis_server.port}/3"])

    async def get() -> Any:
        client = redis.asyncio.Redis(connection_pool=asyncio_pool(host))
        value = await client.get("key")
        await client.aclose(close_connection_pool=True)
        return value

    with redis.Redis(connection_pool=blocking_pool(host)) as client:
        client.set("key", "value")
        assert asyncio.run(get()) == b"value"
        client.connection_pool.disconnect()


def test_options_of_a_host_reach_its_connections() -> None:
    pool = blocking_pool(read_hosts([{"address": ADDRESS, "password": "x", "socket_timeout": 3}]))
    options = pool.connection_kwargs
    assert (options["host"], options["port"], options["db"]) == ("redis.example.com", 6379, 0)
    assert (options["password"], options["socket_timeout"]) == ("x", 5.0)


def test_no_connection_retries_a_command_by_itself() -> None:
    for pool in (blocking_pool({"address": ADDRESS}), asyncio_pool({"address": ADDRESS})):
        assert pool.connection_kwargs["retry"].get_retries() == 0


def test_sentinels_give_a_pool_of_their_master() -> None:
    host = read_hosts([SENTINELS])
    pool = blocking_pool(host)
    assert isinstance(pool, redis.sentinel.SentinelConnectionPool)
    assert pool.service_name == "chat"
    assert host == SENTINELS, "a pool must leave the description whole for the next"


@pytest.mark.parametrize(
    "said", ["READONLY You can't write against a read only replica.", "OOM command not allowed"]
)
def test_script_errors_before_redis_7_equal_those_of_the_command(said: str) -> None:
    of_script = f"Error running script (call to f_a4f2): @user_script:57: @user_script: 57: -{said}"
    for written in (said, of_script, f"ERR {of_script}"):
        error = error_of(written)
        assert str(error) == said
        assert is_temporary(error)
        assert is_temporary(redis.exceptions.ResponseError(written))
    assert isinstance(error_of(f"ERR {of_script}"), type(error_of(said)))
    assert not is_temporary(error_of("ERR Error running script (call to f_a4f2): -nonsense"))
