import pytest
from pytest_django import Settings

from channels_workers.checks import metrics
from channels_workers.checks.metrics import check_metrics


@pytest.mark.parametrize("port", [9100, "9100-9109"])
def test_a_missing_package(
    port: int | str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_WORKERS = {"METRICS_PORT": port}
    assert check_metrics(None) == []
    monkeypatch.setattr(metrics, "PACKAGE", "a_package_that_does_not_exist")
    [error] = check_metrics(None)
    assert error.id == "channels_workers.E027"
    assert "channels-workers[metrics]" in (error.hint or "")


@pytest.mark.parametrize("setting", [{}, {"METRICS_PORT": ""}, {"METRICS_PORT": "wrong"}])
def test_without_a_valid_port(
    setting: dict[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_WORKERS = setting
    monkeypatch.setattr(metrics, "PACKAGE", "a_package_that_does_not_exist")
    assert check_metrics(None) == []
