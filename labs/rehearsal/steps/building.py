"""From a commit to a running app: files, environment, services, build, release."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import psycopg
import redis

from labs.harness.commands import run
from labs.harness.requirements import locked
from labs.rehearsal.slug import Slug, find_python, make_environment
from labs.rehearsal.stage import Stage
from labs.rehearsal.step import Step

#: The hash in the name of a static file.
HASHED = re.compile(r"\.[0-9a-f]{12}(\.|$)")

#: Each of these files at the root breaks the build, or overrides ours.
FORBIDDEN = (".git", ".venv", "venv", "uv.lock", "poetry.lock", "Pipfile", "Pipfile.lock")


class Files(Step):
    """The files that the platform gets."""

    name = "files"
    description = "bare clone of HEAD; its files alone, as `git archive` gives them"

    def play(self, stage: Stage) -> None:
        """Clone, unpack, and look for files that break a build."""
        repository, folder = stage.repository, stage.folder / "app"
        repository.clone()
        repository.unpack(repository.commit, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 2**20
        stage.note(f"commit {repository.commit[:8]}, {len(files)} files, {size:.1f} MiB")
        if changes := repository.changes():
            stage.note(f"{changes} changes of the checkout are not committed, and not in it")
        found = [name for name in FORBIDDEN if (folder / name).exists()]
        stage.expect(not found, f"no {', '.join(FORBIDDEN)} at the root, but there is {found}")


class Environment(Step):
    """The Python environment of the app."""

    name = "environment"
    description = "a virtual environment of its own, from `requirements.txt` alone"

    def play(self, stage: Stage) -> None:
        """Create it with the interpreter that runtime.txt requests."""
        folder = stage.folder / "app"
        wanted = (folder / "runtime.txt").read_text().strip()
        interpreter = find_python(folder)
        python = make_environment(
            interpreter, folder / "requirements.txt", stage.folder / "environment"
        )
        stage.slug = Slug(stage.repository.commit, folder, python)
        version = run(python, "--version", cwd=folder).decode().split()[1]
        packages = stage.slug.packages()
        stage.note(f"`{wanted}` asked for, Python {version} used, {len(packages)} packages")
        machine = {"python_full_version": version, "python_version": version.rpartition(".")[0]}
        pinned = {
            each.name: each.version
            for each in locked(folder / "requirements.in")
            if each.is_for(machine)
        }
        other = [name for name, pin in pinned.items() if packages.get(name) != pin]
        stage.expect(not other, f"the pinned versions, but these differ: {', '.join(other)}")
        stage.expect("pytest" not in packages, "no packages of the tests, but pytest is there")


class Services(Step):
    """The add-ons, as strict as the platform's."""

    name = "services"
    description = "PostgreSQL and Redis of the smallest plans: TLS only, both self-signed"

    def play(self, stage: Stage) -> None:
        """Try to connect without TLS, and with certificate verification."""
        site = stage.site
        stage.note(f"PostgreSQL {site.postgres.version()}, Redis {site.key_value.version()}")
        stage.note(f"nginx {site.router.version()}")
        refused = {
            "PostgreSQL without TLS": self.is_refused(
                lambda: psycopg.connect(site.postgres.url, sslmode="disable").close()
            ),
            "Redis without TLS": self.is_refused(
                lambda: self.ping(site.key_value.url.replace("rediss:", "redis:"))
            ),
            "Redis with a verified certificate": self.is_refused(
                lambda: self.ping(site.key_value.url)
            ),
        }
        stage.note(f"refused: {', '.join(what for what, was in refused.items() if was)}")
        for what, was_refused in refused.items():
            stage.expect(was_refused, f"{what} a refusal, but it was let in")
        self.ping(site.key_value.url, ssl_cert_reqs=None)

    @staticmethod
    def ping(url: str, **options: object) -> None:
        """Connect once."""
        with redis.from_url(url, retry=None, **options) as client:
            client.ping()

    @staticmethod
    def is_refused(attempt: Callable[[], None]) -> bool:
        """Return whether an attempt to connect fails."""
        try:
            attempt()
        except (psycopg.OperationalError, redis.ConnectionError):
            return True
        return False


class Build(Step):
    """The build steps after the installation of packages."""

    name = "build"
    description = "`collectstatic`, with and without the addresses of database and Redis"

    def play(self, stage: Stage) -> None:
        """Collect twice and compare."""
        slug = stage.built
        app = stage.app = stage.site.new_app("chat", slug)
        app.build(slug, "DATABASE_URL", "REDIS_URL")
        manifest = slug.folder / "staticfiles" / "staticfiles.json"
        without = json.loads(manifest.read_text())
        app.build(slug)
        paths = json.loads(manifest.read_text())["paths"]
        stage.expect(without["paths"] == paths, "the same files with services and without")
        hashed = sum(HASHED.search(name) is not None for name in paths.values())
        packed = len(list(manifest.parent.rglob("*.gz")))
        stage.note(f"{len(paths)} files, {hashed} with hashed names, {packed} compressed")
        stage.expect(hashed == len(paths), "a hash in each name")
        stage.expect(packed > 0, "compressed files, but there is none")


class ReleasePhase(Step):
    """The release command of the Procfile."""

    name = "release"
    description = "the release command, as the Procfile says, twice"

    def play(self, stage: Stage) -> None:
        """Run it on an empty database and on an up-to-date one, and check the settings."""
        app, slug = stage.chat, stage.built
        applied = [app.release(slug).count("... OK") for _ in range(2)]
        stage.note(f"{applied[0]} migrations applied, then {applied[1]}")
        stage.expect(applied[0] > 0 and applied[1] == 0, "migrations at the first release alone")
        check = "python manage.py check --deploy --database default --fail-level WARNING"
        said = app.run(check, slug, app.config, "run.1").splitlines()
        stage.note(f"`check --deploy`: {said[-1]}")


class Boot(Step):
    """The commands of the Procfile."""

    name = "boot"
    description = "`web` and `worker`, as the Procfile says, with WEB_CONCURRENCY=2"

    def play(self, stage: Stage) -> None:
        """Start one of each, as app.json says."""
        app = stage.chat
        formation = json.loads((stage.built.folder / "app.json").read_text())["formation"]
        for kind, entry in formation.items():
            since = time.monotonic()
            app.scale(kind, entry["quantity"])
            took = time.monotonic() - since
            stage.note(f"{kind} x {entry['quantity']} works after {took:.1f} s")
