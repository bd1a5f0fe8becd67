"""The templates, where each is written to, and how they are filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from django.template import Context, Engine

TEMPLATES = Path(__file__).with_name("templates")

#: What can be written, by the name of its part: pairs of a template and a target. Targets have
#: the fields of a :class:`Site`.
PARTS = {
    "code": (
        ("package/asgi.py.txt", "{package}/asgi.py"),
        ("package/consumers.py.txt", "{package}/consumers.py"),
        ("package/routing.py.txt", "{package}/routing.py"),
        ("package/production.py.txt", "{package}/production.py"),
        ("package/requirements.txt", "requirements.txt"),
    ),
    "procfile": (("Procfile", "Procfile"), ("deploy/start", "deploy/start")),
    "compose": (
        ("Dockerfile", "Dockerfile"),
        ("dockerignore", ".dockerignore"),
        ("compose.yaml", "compose.yaml"),
        ("deploy/compose.env", "deploy/compose.env"),
    ),
    "systemd": (
        ("deploy/systemd/web@.service", "deploy/systemd/{name}-web@.service"),
        ("deploy/systemd/worker.service", "deploy/systemd/{name}-worker.service"),
        ("deploy/systemd/pages.service", "deploy/systemd/{name}-pages.service"),
        ("deploy/systemd/release.service", "deploy/systemd/{name}-release.service"),
        ("deploy/systemd/common.conf", "deploy/systemd/{name}-.service.d/{name}.conf"),
        ("deploy/systemd/target", "deploy/systemd/{name}.target"),
        ("deploy/systemd/env", "deploy/systemd/{name}.env"),
    ),
    "autoscale": (("deploy/autoscale", "deploy/autoscale"),),
    "nginx": (("deploy/nginx/site.conf", "deploy/nginx/{name}.conf"),),
    "kubernetes": tuple(
        (f"deploy/kubernetes/{name}.yaml",) * 2
        for name in (
            *("autoscaler", "configmap", "ingress", "kustomization", "release", "web", "worker"),
        )
    ),
    "monitoring": tuple(
        (f"deploy/monitoring/{name}",) * 2
        for name in ("prometheus.yml", "targets.yaml", "alerts.yaml", "dashboard.json")
    ),
}

#: Their own syntax has ``{{ }}``, so fields of the site stand in them as ``@name@``.
MARKED = "deploy/monitoring/"

#: What a part needs besides: it starts the processes of the Procfile.
NEEDS = {"compose": "procfile", "systemd": "procfile", "kubernetes": "compose"}

#: The files that can be run.
PROGRAMS = ("deploy/start", "deploy/autoscale")


@dataclass(frozen=True)
class Site:
    """The project that the files are for."""

    #: Names units, images and users.
    name: str
    #: The package with ``asgi.py`` and the settings.
    package: str
    #: The module of the settings for development.
    base: str
    #: The module of those for production; empty if *base* reads the environment itself.
    settings: str
    #: The folder on servers.
    place: str
    #: The packages that run, as folders.
    folders: tuple[str, ...]
    #: How the comments call it.
    title: str
    #: Where the environment variables are described.
    variables: str
    #: A regular expression of the first part of the path of sockets.
    sockets: str = "ws"
    #: Whether Django's admin is installed, whose status page has a socket.
    has_admin: bool = True
    #: Whether ``requirements.txt`` has the hashes of its packages.
    hashes: bool = False


class File(NamedTuple):
    """A file to write: *path* is relative to the folder of ``manage.py``."""

    path: str
    text: str
    is_program: bool


def with_needed(parts: Iterable[str]) -> list[str]:
    """Return *parts* and those that they need, each once."""
    wanted = set(parts)
    for part, needed in reversed(NEEDS.items()):
        if part in wanted:
            wanted.add(needed)
    return [part for part in PARTS if part in wanted]


def render(site: Site, parts: Iterable[str]) -> Iterator[File]:
    """Yield the files of *parts* for *site*."""
    engine, values = Engine(autoescape=False), asdict(site)
    for part in parts:
        for template, target in PARTS[part]:
            text = (TEMPLATES / template).read_text()
            if template.startswith(MARKED):
                text = _fill_marks(text, values)
            else:
                text = engine.from_string(text).render(Context(values))
            path = target.format(**values)
            yield File(path, text, path in PROGRAMS)


def _fill_marks(text: str, values: Mapping[str, object]) -> str:
    """Return *text* with a value in place of each mark such as ``@name@``."""
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text
