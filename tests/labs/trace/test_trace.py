"""The trace of a frame across real processes: Redis, an interface server and a worker."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from labs.harness.waiting import wait_for
from labs.trace.project import SECRET
from labs.trace.site import FRAME, PARTS, TracedSite
from labs.trace.tree import as_text, read, trace_of


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TracedSite]:
    with TracedSite(tmp_path_factory.mktemp("site"), request.param) as started:
        yield started


def test_one_trace_has_the_parts_of_both_processes(site: TracedSite) -> None:
    site.say("hello")
    trace = site.wait_for_frames(1)[-1]
    by_name = {span["name"]: span for span in trace}
    assert set(by_name) == PARTS
    services = {
        name: span["resource"]["attributes"]["service.name"] for name, span in by_name.items()
    }
    on_worker = {name for name, service in services.items() if service == "worker"}
    assert on_worker == {
        "wait websocket.receive",
        "process websocket.receive",
        "send (group)",
        "commit websocket.receive",
    }
    assert len({span["context"]["trace_id"] for span in trace}) == 1


def test_the_tree_has_a_line_for_each_span_below_its_root(site: TracedSite) -> None:
    site.say("hello")
    lines = as_text(site.wait_for_frames(1)[-1]).splitlines()
    assert len(lines) == len(PARTS)
    assert lines[0].startswith(f"{FRAME} ")
    assert lines[1].startswith("└─ send websocket.receive")
    assert all(line.endswith(" ms") for line in lines)


def test_a_failed_consumer_has_an_event_without_the_text(site: TracedSite) -> None:
    with connect(f"{site.servers[0].socket_url}/", open_timeout=60) as socket:
        socket.send("fail")

        def failed() -> bool:
            return any(span["status"]["status_code"] == "ERROR" for span in read(site.traces))

        wait_for(failed, lambda: f"no failed span in {site.traces}")
    spans = read(site.traces)
    span = next(each for each in spans if each["status"]["status_code"] == "ERROR")
    assert span["name"] == "process websocket.receive"
    (event,) = span["events"]
    assert event["attributes"]["exception.type"] == "builtins.ValueError"
    assert "labs/trace/project.py" in event["attributes"]["exception.stacktrace"]
    assert SECRET not in json.dumps(spans)
    assert {each["name"] for each in trace_of(span, spans)} >= {FRAME, span["name"]}


def test_a_view_in_a_worker_is_in_the_trace_of_its_request(site: TracedSite) -> None:
    assert site.servers[0].get("/page/?secret=1") == "hello"

    def complete() -> bool:
        return any(span["name"] == "commit http.request" for span in read(site.traces))

    wait_for(complete, lambda: f"no request in {site.traces}")
    spans = read(site.traces)
    root = next(span for span in spans if span["name"] == "GET")
    assert root["attributes"]["url.path"] == "/page/"
    names = {span["name"] for span in trace_of(root, spans)}
    assert {"send http.request", "process http.request", "deliver (reply)"} <= names
    assert "secret" not in json.dumps(spans)


def test_the_page_shows_the_names_of_the_spans() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "trace.md").read_text()
    for name in PARTS:
        assert f"{name} " in page.partition("WebSocket frame  ")[2] or name == FRAME
