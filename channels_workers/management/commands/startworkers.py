"""``manage.py startworkers``: writes the files of a project with workers."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from textwrap import indent
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from channels_workers.scaffold.files import PARTS, File, Site, render, with_needed
from channels_workers.scaffold.project import (
    folder_of,
    is_from_startproject,
    local_folders,
    missing_settings,
)

#: What is written if --part is not given.
USUAL = ("code", "procfile", "compose", "systemd")

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
PLACE = re.compile(r"(/[\w.-]+)+", re.ASCII)

#: The settings of production in the files that are written.
PRODUCTION = "production"

TRY_IT = """Try it: run "manage.py migrate" and "manage.py runserver". Open a page of it, and type
in the console of the browser:

    socket = new WebSocket(`ws://${location.host}/ws/`);
    socket.onmessage = (event) => console.log(event.data);
    socket.onopen = () => socket.send("hello");
"""


class Command(BaseCommand):
    """Write example consumers, and what runs them in production."""

    help = "Writes asgi.py, consumers, routing, and files to deploy this project with workers."
    requires_system_checks = []  # noqa: RUF012  (the files are what they miss)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--part",
            action="append",
            choices=tuple(PARTS),
            dest="parts",
            help=f"Write only this part; repeatable (default: {', '.join(USUAL)}).",
        )
        parser.add_argument("--package", help="The package of asgi.py (default: of the settings).")
        parser.add_argument("--name", help="Names units, images and users (default: the package).")
        parser.add_argument("--place", help="The folder on a server (default: /srv/NAME).")
        parser.add_argument("--force", action="store_true", help="Overwrite files that exist.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the files and say what to do next; CommandError before anything is written."""
        module = settings.SETTINGS_MODULE
        package = options["package"] or module.partition(".")[0]
        root = self.find_root(package)
        site = make_site(module, package, root, options["name"], options["place"])
        parts = with_needed(options["parts"] or USUAL)
        kept = [
            file.path
            for file in render(site, parts)
            if not self.write(root, file, site, force=options["force"])
        ]
        self.stdout.write("\n" + "\n".join(next_steps(site, parts, kept)))

    def find_root(self, package: str) -> Path:
        """Return the folder of ``manage.py`` and *package*."""
        folder = folder_of(package)
        if folder is None or not (folder.parent / "manage.py").is_file():
            raise CommandError(
                "startworkers expects the package of the project beside manage.py, and "
                f"{package!r} is none. Name it: --package mysite."
            )
        return folder.parent

    def write(self, root: Path, file: File, site: Site, *, force: bool) -> bool:
        """Write *file* unless it exists; return whether its text stands there now."""
        path, word = root / file.path, "wrote"
        path.parent.mkdir(parents=True, exist_ok=True)
        may_replace = file.path.endswith("/asgi.py") and is_from_startproject(path, site.package)
        if path.is_file() and path.read_text() == file.text:
            word = "unchanged"
        elif force or may_replace:
            word = "replaced" if path.exists() else "wrote"
            path.write_text(file.text)
        else:
            try:
                with path.open("x") as opened:
                    opened.write(file.text)
            except FileExistsError:
                self.stdout.write(f"kept       {file.path}: it exists, and --force overwrites it")
                return False
        if file.is_program:
            path.chmod(path.stat().st_mode | 0o111)
        self.stdout.write(f"{word:<10} {file.path}")
        return True


def make_site(module: str, package: str, root: Path, name: str | None, place: str | None) -> Site:
    """Return the site of the running project; CommandError for a name that no system takes."""
    name = name or package.replace("_", "-").lower()
    place = place or f"/srv/{name}"
    if not NAME.fullmatch(name):
        raise CommandError(
            f"A name has lower-case letters, digits and hyphens, begins with a letter, and is not "
            f"longer than 31, unlike {name!r}. Give another one: --name mysite."
        )
    if not PLACE.fullmatch(place):
        raise CommandError(
            f"The place on a server is an absolute path of letters, digits, '.', '_' and '-', "
            f"unlike {place!r}."
        )
    production = f"{package}.{PRODUCTION}"
    return Site(
        name=name,
        package=package,
        base=f"{package}.settings" if module == production else module,
        settings=production,
        place=place,
        folders=tuple(sorted({package, *local_folders(root)})),
        title=name,
        variables=f"{package}/{PRODUCTION}.py",
        has_admin=apps.is_installed("django.contrib.admin"),
    )


def next_steps(site: Site, parts: Collection[str], kept: list[str]) -> list[str]:
    """Return what is left to do, as paragraphs."""
    steps = []
    if kept:
        steps.append(f"Compare what was kept with what you need: {', '.join(kept)}.\n")
    if missing := missing_settings(site.package):
        lines = indent("\n".join(missing), "    ")
        steps.append(f"Add to the end of the settings, {site.base}:\n\n{lines}\n")
    if "code" in parts:
        steps.append(TRY_IT)
    if "procfile" in parts:
        steps.append(
            "Several processes, with Redis on this machine: set SECRET_KEY, and\n"
            f"DJANGO_SETTINGS_MODULE={site.settings}. Then run deploy/start release, and both\n"
            "deploy/start web and deploy/start worker.\n"
        )
    if "compose" in parts:
        steps.append(
            "Containers: copy deploy/compose.env to .env, fill it in, and run docker compose up.\n"
        )
    if "systemd" in parts:
        steps.append(
            f"systemd: put the project into {site.place}. Fill in deploy/systemd/{site.name}.env,\n"
            f"and install it as /etc/{site.name}.env, and the rest of deploy/systemd in\n"
            "/etc/systemd/system.\n"
        )
    steps.append('The how-to page "Start a project with workers" explains each file.')
    return steps
