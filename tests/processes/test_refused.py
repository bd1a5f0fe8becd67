"""An interface server that Redis refuses logs it once and keeps running."""

import pytest

from labs.harness.redis_server import RedisServer
from labs.harness.waiting import wait_for
from tests.conftest import StartWeb


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_a_server_refused_by_redis_logs_once_and_recovers(
    server: str, start_web: StartWeb, redis_server: RedisServer
) -> None:
    address = redis_server.url.replace("//", "//ann:s3cret@")
    web = start_web(server, env={"REDIS_URL": address})
    wait_for(lambda: "refuses us" in web.process.output, "a line about the refusal")
    status, checks = web.probe("/readyz")
    assert (status, checks["layer"]) == (503, "refuses its user; see the log")
    assert web.probe("/healthz")[0] == 200
    output = web.process.output
    assert output.count("refuses us") <= 2  # at the start, and when it registers
    assert "Correct the user and the password" in output
    assert "Traceback" not in output
    assert "s3cret" not in output
    with redis_server.client() as client:
        client.execute_command("ACL", "SETUSER", "ann", "on", ">s3cret", "~*", "+@all")  # type: ignore[no-untyped-call]
        try:
            wait_for(lambda: web.probe("/readyz")[1]["layer"] == "ok", "a layer that can be used")
        finally:
            client.execute_command("ACL", "DELUSER", "ann")  # type: ignore[no-untyped-call]
