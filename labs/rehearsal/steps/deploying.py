"""New consumer code without dropped sockets: two apps share one Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from labs.harness.patch import Patch
from labs.rehearsal.app import App
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step
from labs.rehearsal.steps.restarting import BETWEEN
from labs.rehearsal.witness import Witness, witness

#: What new consumers add to each message.
MARK = "rehearsed"

#: The change. Each patch must match exactly once.
NEW_CONSUMER = (
    Patch("chat/consumers.py", "\nimport time\n", "\nimport json\nimport time\n"),
    Patch(
        "chat/consumers.py",
        'hearers(message, is_news).send({"text": stored.frame()})',
        "answer = {**json.loads(stored.frame()), "
        f'"{MARK}": 2}}\n'
        '    hearers(message, is_news).send({"text": json.dumps(answer)})',
    ),
)


class TwoApps(Step):
    """The worker moves to an app of its own."""

    name = "two-apps"
    description = "a second app with the same code, database and Redis takes over the workers"

    def play(self, stage: Stage) -> None:
        """Create it, scale it up, and scale the first app's workers to none."""
        chat = stage.chat
        second = App("chat-workers", stage.site.processes, dict(chat.config), refuse)
        with stage.load():
            stage.hold(BETWEEN)
            second.release(stage.built)
            second.scale("worker", 1)
            chat.scale("worker", 0)
            stage.hold(BETWEEN)
        stage.workers = second
        stage.note("`chat` web=1 worker=0, `chat-workers` web=0 worker=1")


class WorkerCode(Step):
    """New consumers."""

    name = "worker-code"
    description = "the second app gets a commit with another consumer, under load"

    def play(self, stage: Stage) -> None:
        """Commit, build, release, restart. Watches one socket meanwhile."""
        with other_code(stage, "witness-deploy", is_new=True):
            commit = stage.repository.commit_patches(NEW_CONSUMER, "Mark each message")
            folder = stage.folder / "app-2"
            stage.repository.unpack(commit, folder)
            stage.worker_app.deploy(replace(stage.built, commit=commit, folder=folder))


class RollBack(Step):
    """Back to the previous release."""

    name = "rollback"
    description = "`heroku rollback` of the second app, under load"

    def play(self, stage: Stage) -> None:
        """Release the previous version again."""
        with other_code(stage, "witness-rollback", is_new=False):
            stage.worker_app.roll_back()


def refuse(ports: list[int]) -> None:
    """Refuse ports of web dynos, of which the second app must have none."""
    if ports:
        raise AssertionError("The second app must have no web dyno.")


@contextmanager
def other_code(stage: Stage, label: str, *, is_new: bool) -> Iterator[None]:
    """Watch one socket under load while new code takes over, or the old code again."""
    with stage.load(), witness(stage.site.router, label) as one:
        stage.hold(BETWEEN)
        one.wait_for_code(MARK, present=not is_new)
        yield
        one.wait_for_code(MARK, present=is_new)
        stage.hold(BETWEEN)
    judge(stage, one)


def judge(stage: Stage, one: Witness) -> None:
    """Note which code answered one socket."""
    new = sum(MARK in frame for frame in one.frames)
    stage.note(f"one socket: {len(one.frames) - new} answers of the old code, {new} of the new")
    stage.expect(one.is_in_order, f"{one.said} answers in order, but there are {one.frames}")
