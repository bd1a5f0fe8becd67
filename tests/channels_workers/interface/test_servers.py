"""Servers without their private parts, or with missing packages."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from channels_workers.interface.http.bodies import Bodies
from channels_workers.interface.servers import parts
from channels_workers.interface.servers.daphne.requests import judge_requests
from channels_workers.interface.servers.uvicorn.heads import PIPELINED, BoundedHead, bound_heads


@pytest.fixture(autouse=True)
def nothing_is_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was logged once, so that each test logs it again."""
    monkeypatch.setattr(parts, "_reported", set())


def lifespan_send(protocol: Any) -> Any:
    """uvicorn's lifespan `send`, with a configuration of this HTTP class."""

    class LifespanOn:
        config = SimpleNamespace(http_protocol_class=protocol)

        async def send(self, event: Any) -> None:
            raise NotImplementedError

    return LifespanOn().send


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.event for record in caplog.records]  # type: ignore[attr-defined]


def test_request_heads_of_uvicorn_are_bounded_once(caplog: pytest.LogCaptureFixture) -> None:
    send = lifespan_send(H11Protocol)
    bound_heads(send)
    config = send.__self__.config
    bounded = config.http_protocol_class
    assert issubclass(bounded, BoundedHead)
    assert issubclass(bounded, H11Protocol)
    bound_heads(send)
    assert config.http_protocol_class is bounded
    assert not caplog.records


@pytest.mark.parametrize("protocol", [None, SimpleNamespace, object()])
def test_an_unknown_http_class_of_uvicorn_is_logged(
    protocol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    send = lifespan_send(protocol)
    bound_heads(send)
    assert send.__self__.config.http_protocol_class is protocol
    assert events(caplog) == ["feature_missing"]
    assert "h11 or httptools" in caplog.text


def test_pipelined_requests_of_httptools_are_bounded() -> None:
    class HttpTools:
        heads = 0
        pipeline: list[Any]

        def on_headers_complete(self) -> None:
            self.heads += 1
            self.pipeline.append(None)

    bounded: Any = type("Bounded", (BoundedHead, HttpTools), {"pipeline": []})()
    for _ in range(PIPELINED):
        bounded.on_headers_complete()
    with pytest.raises(ValueError, match="pipelined"):
        bounded.on_headers_complete()
    assert bounded.heads == PIPELINED


def test_a_daphne_without_the_parts_keeps_its_classes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SimpleNamespace(HTTPFactory=object)
    monkeypatch.setitem(sys.modules, "daphne.server", server)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "daphne.http_protocol", SimpleNamespace(http=None))  # type: ignore[arg-type]
    judge_requests(Bodies())
    assert server.HTTPFactory is object
    assert events(caplog) == ["feature_missing"]
    assert "HTTPFactory.buildProtocol" in caplog.text
    assert "WebRequest" in caplog.text


def test_without_daphne_nothing_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "daphne.server", raising=False)
    judge_requests(Bodies())
    assert not caplog.records
