"""Results of the comparison of an application."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.code import as_code
from labs.genuine.comparison.duel import Duel
from labs.genuine.comparison.repertoire import applications
from labs.genuine.comparison.search import find_difference
from labs.genuine.comparison.stage import Stage
from labs.genuine.comparison.steps import Conversation
from labs.genuine.comparison.transcript import Difference


@dataclass(frozen=True)
class Finding:
    """A conversation that differs: its name, its Python code, and where it differs."""

    conversation: str
    code: str
    difference: Difference
    #: Whether it differed again in a second run.
    repeats: bool


@dataclass
class Result:
    """How much was compared, and what differed. *trouble* ended the comparison early."""

    application: str
    conversations: int = 0
    steps: int = 0
    frames: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
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
    def play(conversation: Conversation) -> Difference | None:
        try:
            return duel.compare(conversation)
        except Exception as error:
            raise Trouble(_explain(error, conversation, duel)) from error

    def add(name: str, conversation: Conversation, difference: Difference) -> None:
        repeats = play(conversation) is not None
        result.findings.append(Finding(name, as_code(conversation), difference, repeats))

    for name, conversation in application.recorded.items():
        if difference := play(conversation):
            add(name, conversation, difference)
    if examples and (found := find_difference(application.random, play, examples, seed)):
        add("a random conversation", found.conversation, found.difference)


def _explain(error: Exception, conversation: Conversation, duel: Duel) -> str:
    errors = error.exceptions if isinstance(error, ExceptionGroup) else [error]
    reasons = "\n".join(f"{type(one).__name__}: {one}" for one in errors)
    return f"{reasons}\nin the conversation\n{as_code(conversation)}\n{duel.describe()}"
