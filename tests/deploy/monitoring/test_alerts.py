"""The rules of ``deploy/monitoring/alerts.yaml``, by Prometheus' own promtool."""

import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from labs.harness.project import ROOT
from tests.deploy.monitoring.alert_cases import CASES, HEALTHY, Case
from tests.docs.pages import page
from tests.project.test_pages import REPOSITORY

FILE = ROOT / "deploy" / "monitoring" / "alerts.yaml"

GROUPS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"]
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in GROUPS for rule in group["rules"]
}

INTERVAL = timedelta(seconds=15)
#: Rates look back up to 15 minutes; no rule waits longer than 30 minutes.
END = timedelta(minutes=36)


def duration(rule: dict[str, Any]) -> timedelta:
    """How long the condition of *rule* must hold."""
    text = rule.get("for", "0s")
    return timedelta(**{{"s": "seconds", "m": "minutes"}[text[-1]]: int(text[:-1])})


def promtool(*arguments: str | Path) -> None:
    result = subprocess.run(
        ["promtool", *arguments], check=False, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


def series(case: Case | None) -> list[dict[str, str]]:
    """The series of a site, as promtool reads them."""
    found = dict(HEALTHY) if case is None or case.site else {}
    if case is not None:
        found |= case.series
    return [{"series": full_name(name), "values": values} for name, values in found.items()]


def full_name(name: str) -> str:
    is_whole = name.startswith(("channels_workers_", "process_open", "process_max", "up{"))
    return name if is_whole else f"channels_workers_{name}"


def expected(fires: dict[str, Case], at: timedelta) -> Iterator[dict[str, Any]]:
    """For each rule: the alert of its case, if it is one of those that *fire* then."""
    for name, rule in RULES.items():
        labels = {"job": "chat", "severity": rule["labels"]["severity"]}
        alerts = [{"exp_labels": labels | fires[name].labels}] if name in fires else []
        yield {"eval_time": seconds(at), "alertname": name, "exp_alerts": alerts}


def about(name: str, case: Case | None, tests: list[dict[str, Any]]) -> dict[str, Any]:
    """A unit test of promtool with the series of *case*."""
    return {
        "name": name,
        "interval": seconds(INTERVAL),
        "input_series": series(case),
        "alert_rule_test": tests,
    }


def seconds(time: timedelta) -> str:
    return f"{int(time.total_seconds())}s"


def run(folder: Path, *tests: dict[str, Any]) -> None:
    """Run unit tests of the rules without their texts."""
    groups = yaml.safe_load(FILE.read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        del rule["annotations"]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    file = folder / "test.yaml"
    content = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": seconds(2 * INTERVAL),
        "tests": list(tests),
    }
    file.write_text(yaml.safe_dump(content))
    promtool("test", "rules", file)


def test_prometheus_accepts_all_files() -> None:
    promtool("check", "config", FILE.with_name("prometheus.yml"))
    promtool("check", "rules", FILE)


def test_each_rule_has_a_case_and_a_name_of_its_own() -> None:
    assert list(RULES) == list(CASES)
    assert len(RULES) == sum(len(group["rules"]) for group in GROUPS)


def test_nothing_fires_on_a_healthy_site(tmp_path: Path) -> None:
    times = (timedelta(minutes=1), timedelta(minutes=10), END)
    run(tmp_path, about("healthy", None, [test for at in times for test in expected({}, at)]))


def test_each_alert_fires_alone_and_not_before_its_time(tmp_path: Path) -> None:
    run(tmp_path, *(about(name, case, list(moments(name, case))) for name, case in CASES.items()))


def moments(name: str, case: Case) -> Iterator[dict[str, Any]]:
    """What promtool must see in the end, and just before the alert may fire."""
    yield from expected({name: case}, END)
    if patience := duration(RULES[name]):
        early = expected({}, patience - INTERVAL)
        yield from (test for test in early if test["alertname"] == name)


def test_promtool_notices_a_wrong_expectation(tmp_path: Path) -> None:
    wrong = about("wrong", None, list(expected({"NoWorker": CASES["NoWorker"]}, END)))
    with pytest.raises(AssertionError, match="alertname: NoWorker"):
        run(tmp_path, wrong)


# What an alert says


def test_each_rule_says_what_is_wrong_and_where_to_read_on() -> None:
    for name, rule in RULES.items():
        texts = rule["annotations"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(texts) == {"summary", "description", "runbook_url"}, name
        for part in ("summary", "description"):
            assert texts[part].endswith("."), name
        anchor = f"docs/reference/alerts.md#{name.lower()}"
        assert texts["runbook_url"] == f"{REPOSITORY}/blob/main/{anchor}"


def test_the_runbook_has_an_entry_for_each_rule_and_no_other() -> None:
    entries = re.findall(r"^### (\w+)$", page("reference/alerts").text, re.MULTILINE)
    assert entries == list(RULES)


def test_each_entry_says_what_it_means_and_what_to_do() -> None:
    for entry in page("reference/alerts").text.split("\n### ")[1:]:
        body = entry.partition("\n## ")[0]
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert body.count(f"\n{part} ") == 1, f"{entry.partition(chr(10))[0]} lacks {part}"


def test_severities_in_the_runbook_are_those_of_the_rules() -> None:
    text = page("reference/alerts").text
    for name, rule in RULES.items():
        entry = text.partition(f"\n### {name}\n")[2]
        assert entry.lstrip().startswith(f"`{rule['labels']['severity']}`"), name


# The rules of another project


def test_rules_are_about_one_site() -> None:
    for name, rule in RULES.items():
        selectors = re.findall(r"(?:channels_workers|process)_\w+(\{[^}]*\})?", rule["expr"])
        assert selectors, name
        assert all('job="chat"' in selector for selector in selectors), name
