"""The stage of the rehearsal: the state that steps share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labs.harness import stage as harness
from labs.rehearsal.app import App
from labs.rehearsal.load import Counted, load
from labs.rehearsal.row import Row
from labs.rehearsal.site import Site
from labs.rehearsal.slug import Repository, Slug


@dataclass
class Stage(harness.Stage[Row]):
    """*row* belongs to the running step."""

    folder: Path
    repository: Repository
    site: Site
    row: Row
    slug: Slug | None = None
    app: App | None = None
    workers: App | None = None

    @property
    def built(self) -> Slug:
        """The slug of the checkout's commit."""
        if self.slug is None:
            raise LookupError("A step needs the slug before there is one.")
        return self.slug

    @property
    def chat(self) -> App:
        """The app that has the web dyno."""
        if self.app is None:
            raise LookupError("A step needs the app before there is one.")
        return self.app

    @property
    def worker_app(self) -> App:
        """The app that has only workers."""
        if self.workers is None:
            raise LookupError("A step needs the second app before there is one.")
        return self.workers

    @contextmanager
    def load(self, *allowed: str, by_rows: bool = False) -> Iterator[Counted]:
        """Let people talk meanwhile. No error may occur except the *allowed* ones.

        *by_rows* is explained at :func:`~labs.rehearsal.load.count`.
        """
        with load(self.site, self.row.step, by_rows=by_rows) as counted:
            yield counted
        self.note(counted.describe())
        self.row.failures += counted.faults(*allowed)
