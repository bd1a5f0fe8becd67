"""Processes of another format version start on the same Redis."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from channels_workers.layers.base import FORMAT_VERSION
from labs.faults.fault import Fault
from labs.faults.mutants.mutant import Mutant
from labs.faults.row import Limits
from labs.faults.site import python_path
from labs.faults.stage import Stage
from labs.harness.patch import Patch
from labs.harness.ports import free_port
from labs.harness.processes import Process

OTHER = FORMAT_VERSION + 1
NEWER = Mutant(
    "other-format",
    "another format version",
    (
        Patch(
            "layers/base.py",
            f"FORMAT_VERSION = {FORMAT_VERSION}",
            f"FORMAT_VERSION = {OTHER}",
        ),
    ),
)

#: A log line that names both versions.
BOTH = rf"(?i)(?=.*format)(?=.*\b{FORMAT_VERSION}\b)(?=.*\b{OTHER}\b)"


class OtherFormat(Fault):
    """A worker and a server of the next format version."""

    name = "other-format"
    description = "a worker and a server of another format version start"
    limits = Limits(seconds=3)

    def inject(self, stage: Stage) -> None:
        """Start both. They must refuse."""
        stage.count_from_now()
        site, engine = stage.site, NEWER.build(stage.site.folder / "newer")
        env = {"PORT": str(free_port()), "PYTHONPATH": python_path(engine)}
        started = [site.start_line(kind, f"newer-{kind}", env) for kind in ("worker", "web")]
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(refusal, started))
        for process, said in zip(started, answers, strict=True):
            stage.expect(bool(said), f"{process.name} does not say that the formats differ")
            process.kill()


def refusal(process: Process) -> str:
    """Return the log line that names both versions. Empty if there is none."""
    try:
        return process.wait_for_line(BOTH, timeout=10).string
    except AssertionError as error:
        return "" if not re.search(BOTH, str(error)) else str(error)
