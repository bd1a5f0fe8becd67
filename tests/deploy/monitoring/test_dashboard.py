"""The dashboard of ``deploy/monitoring``, by Grafana's own library and by promtool."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from labs.harness.project import ROOT
from labs.monitoring.dashboard import FILE, WIDTH, build
from labs.monitoring.panels import ROWS
from tests.deploy.monitoring.catalogue import catalogue
from tests.deploy.monitoring.test_alerts import RULES

TEXT = (ROOT / "deploy" / "monitoring" / "dashboard.json").read_text()
DASHBOARD: dict[str, Any] = json.loads(TEXT)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]

#: Metrics without a panel, and why.
LEFT_OUT = {
    "channels_workers_commit_messages": "for work on the engine: how well commits are batched",
    "channels_workers_parked_connections": "only after a server has ended, for RESUME_TIME",
    **dict.fromkeys(
        (
            "channels_workers_shard_available",
            "channels_workers_shard_connections",
            "channels_workers_shard_log_entries",
            "channels_workers_shard_behind",
        ),
        "only sites with several Redis have them",
    ),
}

#: What Grafana puts in place of its variables.
VARIABLES = {"$job": "chat", "$__rate_interval": "1m"}


def expressions() -> Iterator[tuple[str, str]]:
    """Each query with the title of its panel."""
    for panel in GRAPHS:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def test_the_template_is_what_the_panels_make() -> None:
    assert FILE.read_text() == build(), "Run scripts/deploy-files."


def test_grafana_knows_each_field_and_value() -> None:
    """Grafana's types drop what they do not know."""
    register_default_plugins()
    read = Dashboard.from_json(json.loads(TEXT))
    assert json.loads(JSONEncoder().encode(read)) == DASHBOARD


def test_ids_and_titles_are_unique() -> None:
    for key in ("id", "title"):
        found = [panel[key] for panel in PANELS]
        assert len(found) == len(set(found)), key


def test_panels_fill_their_lines_and_do_not_overlap() -> None:
    taken: dict[int, list[int]] = {}
    for panel in PANELS:
        place = panel["gridPos"]
        for y in range(place["y"], place["y"] + place["h"]):
            taken.setdefault(y, []).extend(range(place["x"], place["x"] + place["w"]))
    assert sorted(taken) == list(range(len(taken)))
    assert all(sorted(columns) == list(range(WIDTH)) for columns in taken.values())


def test_promtool_reads_each_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression}
        for number, (_, expression) in enumerate(expressions())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    result = subprocess.run(
        ["promtool", "check", "rules", file], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"SUCCESS: {len(rules)} rules found" in result.stdout


def test_queries_are_about_the_chosen_site() -> None:
    for title, expression in expressions():
        selectors = re.findall(r"(?:channels_workers|process)_\w+(\{[^}]*\})?", expression)
        assert all('job="chat"' in selector for selector in selectors), title
    assert DASHBOARD["templating"]["list"][1]["current"]["value"] == "chat"


def test_each_panel_says_what_it_shows() -> None:
    for panel in GRAPHS:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            labels = re.search(
                r"\bby \(([^)]*)\)", target["expr"].partition("topk")[2] or target["expr"]
            )
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = set(re.split(r",\s*", labels[1])) - {"le"} if labels else set()
            assert shown == grouped or "process_" in target["expr"], panel["title"]


def test_rows_are_those_of_the_panels() -> None:
    titles = [panel["title"] for panel in PANELS]
    assert titles == [
        title for row in ROWS for title in (row.title, *(one.title for one in row.panels))
    ]


def used_metrics(expression: str) -> set[str]:
    """The metrics of the engine in a query, by the names of their families."""
    names = re.findall(r"channels_workers_\w+", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def test_every_metric_is_in_a_panel_or_left_out() -> None:
    shown = set().union(*(used_metrics(expression) for _, expression in expressions()))
    assert shown | set(LEFT_OUT) == catalogue()
    assert not shown & set(LEFT_OUT)


def test_alerts_are_about_metrics_that_exist() -> None:
    watched = set().union(*(used_metrics(rule["expr"]) for rule in RULES.values()))
    assert len(watched) > 25
    assert watched <= catalogue()
