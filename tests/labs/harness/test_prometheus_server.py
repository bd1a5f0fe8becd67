"""A real Prometheus, which scrapes itself."""

from collections.abc import Iterator

import pytest

from labs.harness.prometheus_server import PrometheusServer
from labs.harness.waiting import wait_for

RULES = """
groups:
  - name: test
    rules:
      - {alert: Scraped, expr: up == 1, annotations: {summary: "{{ $labels.job }} is up."}}
"""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "targets.yaml").write_text("[]")
    (folder / "rules.yaml").write_text(RULES)
    config = """
        global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
        rule_files: [rules.yaml]
        scrape_configs:
          - {job_name: itself, file_sd_configs: [{files: [targets.yaml]}]}
    """
    server = PrometheusServer(folder, config)
    try:
        server.wait_until_ready()
        (folder / "targets.yaml").write_text(f"[{{targets: ['127.0.0.1:{server.port}']}}]")
        yield server
    finally:
        server.stop()


def test_it_answers_queries(prometheus: PrometheusServer) -> None:
    found = wait_for(lambda: prometheus.query("up == 1"), "a scrape")
    assert [series.labels["job"] for series in found] == ["itself"]
    [(time, value)] = found[0].samples
    assert value == 1
    [series] = prometheus.query_range("vector(2)", time - 10, time, 5)
    assert [value for _, value in series.samples] == [2, 2, 2]


def test_it_shows_alerts(prometheus: PrometheusServer) -> None:
    [alert] = wait_for(prometheus.alerts, "an alert")
    assert alert["annotations"] == {"summary": "itself is up."}


def test_a_wrong_query_is_told(prometheus: PrometheusServer) -> None:
    with pytest.raises(ValueError, match="parse error"):
        prometheus.query("rate(")
