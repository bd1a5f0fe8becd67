"""Results of the comparison of an application."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.code import as_code
from labs.genuine.comparison.duel import Duel
from labs.genuine.comparison.finding import Finding
from labs.genuine.comparison.repertoire import applications
from labs.genuine.comparison.search import find_difference
from labs.genuine.comparison.stage import Stage
from labs.genuine.comparison.steps import Conversation


@dataclass
class Result:
    """How much was compared, and what differed. *trouble* ended the comparison early."""

    application: str
    conversations: int = 0
    steps: int = 0
    frames: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    #: Races of 1.1.8, in which ours did the same both times.
    theirs: list[Finding] = field(default_factory=list)
    trouble: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether the engines behaved alike."""
        return not self.findings and not self.trouble


class Trouble(BaseException):
    """An engine cannot continue, so Hypothesis must not shrink this example."""


def compare_application(name: str, stage: Stage, examples: int, seed: int | None) -> Result:
    """Compare the application *name*, as `compare` does."""
    found = next(one for one in applications() if one.name == name)
    adapted = replace(found, workers={"HTTP": stage.http, **found.workers})
    return compare(adapted, stage, examples, seed)


def compare(application: Application, stage: Stage, examples: int, seed: int | None) -> Result:
    """Play all recorded conversations of *application*, and *examples* random ones."""
    result, since = Result(application.name), time.monotonic()
    try:
        with Duel(application, stage) as duel:
            try:
                _compare(application, duel, examples, seed, result)
            finally:
                result.conversations, result.steps = duel.conversations, duel.steps
                result.frames = duel.frames
    except Trouble as trouble:
        result.trouble = str(trouble)
    except Exception as error:  # noqa: BLE001  (it is the result)
        result.trouble = f"{type(error).__name__}: {error}"
    result.seconds = time.monotonic() - since
    return result


def _compare(
    application: Application, duel: Duel, examples: int, seed: int | None, result: Result
) -> None:
    def play(name: str, conversation: Conversation) -> Finding | None:
        try:
            finding = duel.compare(name, conversation)
        except Exception as error:
            raise Trouble(_explain(error, conversation, duel)) from error
        if finding and finding.is_theirs:
            result.theirs.append(finding)
            return None
        return finding

    for name, conversation in application.recorded.items():
        if finding := play(name, conversation):
            result.findings.append(finding)
    any_one = partial(play, "a random conversation")
    if examples and (finding := find_difference(application.random, any_one, examples, seed)):
        result.findings.append(finding)


def _explain(error: Exception, conversation: Conversation, duel: Duel) -> str:
    errors = error.exceptions if isinstance(error, ExceptionGroup) else [error]
    reasons = "\n".join(f"{type(one).__name__}: {one}" for one in errors)
    return f"{reasons}\nin the conversation\n{as_code(conversation)}\n{duel.describe()}"
