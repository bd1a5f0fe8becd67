"""Sets up sites: the code of all applications for each engine, and folders."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labs.genuine.comparison.application import Application
from labs.genuine.comparison.engine import ENGINES, Engine, copy_applications
from labs.genuine.comparison.site import Site


@dataclass(frozen=True)
class Stage:
    """Everything is in *folder*, which must exist. The output of processes stays there as logs.

    *http* is HTTP in CHANNEL_WORKERS of the compared applications that do not set it themselves.
    """

    folder: Path
    http: str = "interface"

    def prepare(self) -> None:
        """Copy the applications, which all sites share."""
        for engine in ENGINES:
            copy_applications(engine, self._code(engine))

    def _code(self, engine: Engine) -> Path:
        return self.folder / "applications" / engine.module

    def site(
        self, application: Application, engine: Engine, layer: Mapping[str, object] | None = None
    ) -> Site:
        """Return a new :class:`Site`."""
        prefix = f"{application.name}-{engine.module}-"
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=self.folder))
        return Site(application, engine, self._code(engine), folder, layer)
