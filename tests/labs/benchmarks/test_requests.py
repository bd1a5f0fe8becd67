"""Counting requests to a real Redis."""

import time

import pytest

from labs.benchmarks.load.redis_time import RedisTime
from labs.benchmarks.load.report import Report
from labs.benchmarks.measuring.requests import RequestCounter, time_of_request
from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for


@pytest.mark.parametrize(
    ("line", "time"),
    [
        (b'+1795249744.327005 [0 127.0.0.1:4711] "EVALSHA" "abc" "1"\r\n', 1795249744.327005),
        (b'+1.5 [3 unix:/tmp/a] "xread"\r\n', 1.5),
        (b'+1.5 [0 lua] "hget" "key" "field"\r\n', None),
        (b'+1.5 [0 127.0.0.1:4711] "INFO" "commandstats"\r\n', None),
        (b"+OK\r\n", None),
    ],
)
def test_lines_of_monitor(line: bytes, time: float | None) -> None:
    assert time_of_request(line) == time


def test_commands_inside_scripts_are_not_counted(redis_server: RedisServer) -> None:
    with RequestCounter(redis_server.port) as counter, redis_server.client() as client:
        client.ping()
        wait_for(lambda: counter.times, "the first request")
        start = time.time()
        client.eval("for i = 1, 5 do redis.call('incr', 'n') end", 0)
        client.set("a\nb", ']\r\n+1.5 [0 127.0.0.1:1] "set"')
        wait_for(lambda: counter.between(start, time.time()) >= 2, "two requests")
        end = time.time()
        client.ping()
        wait_for(lambda: counter.between(end, time.time()), "the last request")
        assert counter.between(start, end) == 2


def test_background_requests_are_subtracted() -> None:
    counter = RequestCounter.__new__(RequestCounter)
    # One per second while idle, then thirty in ten seconds.
    counter.times = [0.5, 1.5, *(10 + number / 3 for number in range(30))]
    report = Report(figures={"messages_per_s": 0.5}, idle=(0.0, 2.0), window=(10.0, 20.0))
    counter.report(report)
    assert report.figures["requests_per_message"] == pytest.approx((30 - 10) / 5)


def test_time_in_redis_increases(redis_server: RedisServer) -> None:
    with RedisTime(redis_server.port) as redis_time, redis_server.client() as client:
        before = redis_time.taken()
        sha = client.script_load("for i = 1, 1000 do redis.call('incr', 'n') end")
        client.evalsha(sha, 0)
        assert redis_time.taken() > before


def test_without_redis_there_is_no_time() -> None:
    with RedisTime(None) as redis_time:
        assert redis_time.taken() == 0
