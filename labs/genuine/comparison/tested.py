"""The test helpers of both engines: the tests in ``applications/tested`` pass on both."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from hypothesis.strategies import nothing

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.engine import ENGINES, Engine
from labs.genuine.comparison.stage import Stage
from labs.harness.processes import clean_environment

NAME = "tested"

APPLICATION = Application(
    name=NAME,
    package=NAME,
    routing=f"{NAME}.routing.channel_routing",
    recorded={},
    random=nothing(),
)


@dataclass(frozen=True)
class Tested:
    """How many tests of consumers passed on an engine. *trouble* is the output otherwise."""

    engine: str
    passed: int
    trouble: str = ""


def run_tests(stage: Stage) -> list[Tested]:
    """Run the tests on both engines."""
    return [_run_tests(stage, engine) for engine in ENGINES]


def _run_tests(stage: Stage, engine: Engine) -> Tested:
    # The tests replace the Redis layer with a memory layer, so nothing needs to be started.
    site = stage.site(APPLICATION, engine)
    done = subprocess.run(
        engine.django("test", NAME),
        cwd=site.code,
        env=clean_environment() | site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    ran = re.search(r"^Ran (\d+) tests? .*\n\nOK$", done.stderr, re.MULTILINE)
    if done.returncode or ran is None:
        return Tested(engine.name, 0, done.stderr)
    return Tested(engine.name, int(ran[1]))
