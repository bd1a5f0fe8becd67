"""Which files of a project are read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import NamedTemporaryFile

#: Folders of tools, which hold nothing that the project's people wrote.
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}

_REQUIREMENTS = {"Pipfile", "setup.cfg", "setup.py", "pyproject.toml", "tox.ini", "constraints.txt"}


#: What else than a Procfile starts processes: scripts, and what Docker, supervisord, systemd read.
SCRIPTS = (
    "docker-compose*.yml",
    "docker-compose*.yaml",
    "compose*.yml",
    "compose*.yaml",
    "Dockerfile*",
    "*.sh",
    "supervisor*.conf",
    "*.service",
)


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield each file in *paths* once, in order; folders of tools and links are passed over."""
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
    return name.startswith(".") or name in _SKIPPED or (folder / "pyvenv.cfg").exists()


def application_beside(settings: Path) -> str:
    """Return the dotted path of the application in the asgi.py of the package of *settings*.

    It is beside the file, or above it if the settings are a package; "" if there is none.
    """
    for folder in (settings.parent, settings.parent.parent):
        if (folder / "asgi.py").is_file():
            return f"{_dotted(folder.resolve())}.asgi.application"
        if not (folder / "__init__.py").exists():
            break
    return ""


def _dotted(package: Path) -> str:
    names = [package.name]
    for folder in package.parents:
        if not (folder / "__init__.py").exists():
            break
        names.insert(0, folder.name)
    return ".".join(names)


def read_text(path: Path) -> str:
    """Return the text of a file that is no Python."""
    return path.read_text(encoding="utf-8", errors="replace")


def replace_content(path: Path, content: bytes) -> None:
    """Write a file that is there: it is whole at any time, and as before if this fails."""
    target = path.resolve()
    target.open("r+b").close()  # a file that is not to be written is not to be replaced either
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
    """Say whether a file is Python by its name."""
    return path.suffix in {".py", ".pyw"}


def is_requirements(path: Path) -> bool:
    """Say whether a file lists packages to be installed."""
    is_list = path.suffix in {".txt", ".in"} and "requirements" in str(path)
    return is_list or path.name in _REQUIREMENTS


def is_procfile(path: Path) -> bool:
    """Say whether a file lists the processes of the project."""
    return path.name == "Procfile" or path.name.startswith("Procfile.")


def is_script(path: Path) -> bool:
    """Say whether a file starts processes, or says what is in their image."""
    return any(fnmatchcase(path.name, pattern) for pattern in SCRIPTS)
