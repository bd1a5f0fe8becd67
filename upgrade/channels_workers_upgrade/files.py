"""Finds the files of a project to read, and writes them safely."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from channels_workers_upgrade.application import entry_folder

#: Folders of tools: nothing in them is the project's own code.
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}

#: Hidden folders with commands that test or deploy the project.
_COMMANDS = {".github", ".circleci", ".ebextensions", ".platform", ".buildkite"}

_DECLARING = {"Pipfile", "setup.cfg", "setup.py", "pyproject.toml", "tox.ini"}


#: Files that start processes, beside a Procfile: scripts, Docker, supervisord, systemd, tests.
#: A hidden file such as .travis.yml matches too.
SCRIPTS = (
    "*.yml",
    "*.yaml",
    "*.sh",
    "*.conf",
    "*.ini",
    "*.service",
    "*.mk",
    "*akefile*",
    "*Dockerfile*",
    "Jenkinsfile*",
    "Vagrantfile",
    "justfile",
)


#: Templates and scripts of pages.
PAGES = ("*.html", "*.js", "*.jsx", "*.ts", "*.tsx", "*.coffee", "*.vue")


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each file in *paths* once, in order; skip folders of tools, and links."""
    seen: set[Path] = set()
    for path in paths:
        for file in sorted(_walk(path)) if path.is_dir() else [path]:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not _is_of_tools(here / name)]
        yield from (here / name for name in files if not (here / name).is_symlink())


def _is_of_tools(folder: Path) -> bool:
    name = folder.name
    is_hidden = name.startswith(".") and name not in _COMMANDS
    return is_hidden or name in _SKIPPED or (folder / "pyvenv.cfg").exists()


def application_beside(settings: Path) -> str:
    """Return the dotted path of the ASGI application in the package of *settings*.

    Its asgi.py is beside *settings*, or one folder above if these are a package. "" without one.
    """
    folder = entry_folder(settings)
    return f"{_dotted(folder.resolve())}.asgi.application" if folder else ""


def _dotted(package: Path) -> str:
    names = [package.name]
    for folder in package.parents:
        if not (folder / "__init__.py").exists():
            break
        names.insert(0, folder.name)
    return ".".join(names)


def read_text(path: Path) -> str:
    """Return the text of a file that is not Python."""
    return path.read_text(encoding="utf-8", errors="replace")


def replace_content(path: Path, content: bytes) -> None:
    """Replace the content of an existing file atomically; a failure leaves it unchanged."""
    import shutil  # noqa: PLC0415  (a run that needs it not starts sooner)
    from tempfile import NamedTemporaryFile  # noqa: PLC0415  (a run that needs it not starts sooner)

    target = path.resolve()
    target.open("r+b").close()  # raises for a read-only file, which a rename would replace
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as new:
        temporary = Path(new.name)
        try:
            new.write(content)
            new.close()
            shutil.copymode(target, temporary)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def is_python(path: Path) -> bool:
    """Return whether a file's name says that it is Python."""
    return path.suffix in {".py", ".pyw"}


def is_requirements(path: Path) -> bool:
    """Return whether a file lists packages to install."""
    is_list = path.suffix in {".txt", ".in", ".pip"} and "requirements" in str(path)
    return is_list or fnmatchcase(path.name, "constraints*.txt")


def is_declaring(path: Path) -> bool:
    """Return whether a file declares the packages of a project, among other things."""
    return path.name in _DECLARING


def is_procfile(path: Path) -> bool:
    """Return whether a file lists the project's processes."""
    return path.name == "Procfile" or path.name.startswith("Procfile.")


def is_script(path: Path) -> bool:
    """Return whether a file starts processes or describes their image."""
    return any(fnmatchcase(path.name, pattern) for pattern in SCRIPTS)


def is_installing(path: Path) -> bool:
    """Return whether a file may install packages by commands, and declares none."""
    return is_script(path) and not is_declaring(path)


def is_page(path: Path) -> bool:
    """Return whether a file is a template or a script of a page, and no minified library."""
    is_minified = path.name.endswith(".min.js")
    return not is_minified and any(fnmatchcase(path.name, pattern) for pattern in PAGES)
