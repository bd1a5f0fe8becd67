from pathlib import Path

import pytest

from labs.monitoring import run
from labs.monitoring.recording import Recording
from labs.monitoring.run import early_alerts, empty_queries, missing_alerts
from labs.monitoring.scenario import Act
from tests.labs.monitoring.recordings import alert, line, recorded

PANEL = {"title": "Sockets", "targets": [{"expr": "sockets", "legendFormat": "open"}]}


@pytest.fixture(autouse=True)
def two_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = (Act("calm", lambda *_: None), Act("trouble", lambda *_: None, ("NoWorker",)))
    monkeypatch.setattr(run, "ACTS", acts)


def test_a_recording_survives_its_file(tmp_path: Path) -> None:
    made = recorded({"sockets": [line({"state": "open"}, 1, 2)]}, [alert("NoWorker", "firing", 12)])
    made.write(tmp_path / "run.json")
    assert Recording.read(tmp_path / "run.json") == made


def test_an_alert_begins_again_after_a_break() -> None:
    fired = [alert("NoWorker", "firing", at) for at in (14, 12, 30)]
    found = recorded(alerts=[alert("NoWorker", "pending", 3), *fired])
    assert found.firing() == {"NoWorker": {12, 13, 14, 15, 30, 31}}
    assert found.beginnings() == [(12, "NoWorker"), (30, "NoWorker")]


def test_a_missing_alert_is_told() -> None:
    assert missing_alerts(recorded(alerts=[alert("NoWorker", "firing", 12)])) == []
    told = ["NoWorker did not fire while trouble"]
    assert missing_alerts(recorded(alerts=[alert("NoWorker", "pending", 12)])) == told
    assert missing_alerts(recorded(alerts=[alert("NoWorker", "firing", 30)])) == told


def test_an_alert_before_any_trouble_is_told() -> None:
    found = recorded(alerts=[alert("NoWorker", "firing", 4), alert("DataLost", "firing", 12)])
    assert early_alerts(found) == ["NoWorker fired in calm"]


def test_a_panel_without_data_is_told() -> None:
    dashboard = {"panels": [{"title": "A row", "type": "row"}, PANEL]}
    assert empty_queries(recorded({"sockets": [line({}, 1)]}), dashboard) == []
    assert empty_queries(recorded({"sockets": []}), dashboard) == ["Sockets: open has no data"]
