"""docs/project/monitoring.md shows a run of today's acts."""

import re

from labs.monitoring.scenario import ACTS
from tests.docs.pages import page

SHOWN = page("project/monitoring").marked("output", "monitoring")


def test_it_shows_all_acts_in_order() -> None:
    titles = re.findall(r"^ *\d+ s  (\S.*)$", SHOWN, re.MULTILINE)
    assert titles == [act.title for act in ACTS]


def test_it_shows_the_alerts_of_each_act() -> None:
    parts = re.split(r"^ *\d+ s  (?=\S)", SHOWN, flags=re.MULTILINE)[1:]
    for act, part in zip(ACTS, parts, strict=True):
        fired = re.findall(r"(\w+) fires$", part, re.MULTILINE)
        assert set(act.alerts) <= set(fired), act.title
