"""The commands of the Procfile."""

from labs.harness.project import ROOT

#: In the place of the Procfile's Daphne.
UVICORN = "uvicorn --host 127.0.0.1 --port $PORT chat_project.asgi:application"


def parse_procfile(text: str) -> dict[str, str]:
    """Each process type with its command."""
    pairs = (line.split(":", 1) for line in text.splitlines() if line.strip())
    return {name.strip(): command.strip() for name, command in pairs}


def read_procfile() -> dict[str, str]:
    """What stands in the Procfile of the checkout."""
    return parse_procfile((ROOT / "Procfile").read_text())


def in_shell(line: str) -> list[str]:
    """A line of a Procfile as a command, started as a platform starts it: by a shell."""
    return ["/bin/sh", "-c", f"exec {line}"]


def shell_command(process_type: str) -> list[str]:
    """The command of a process type."""
    return in_shell(read_procfile()[process_type])


def server_line(kind: str) -> str:
    """The line that starts an interface server of a *kind*: daphne or uvicorn."""
    return {"daphne": read_procfile()["web"], "uvicorn": UVICORN}[kind]


def server_command(kind: str) -> list[str]:
    """The command of an interface server of a *kind*; it listens on the variable PORT."""
    return in_shell(server_line(kind))
