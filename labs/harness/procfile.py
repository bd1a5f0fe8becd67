"""The commands of the Procfile."""

from labs.harness.project import ROOT

#: The replacement for Daphne in the Procfile.
UVICORN = "uvicorn --host 127.0.0.1 --port $PORT chat_project.asgi:application"


def parse_procfile(text: str) -> dict[str, str]:
    """Each process type with its command line."""
    pairs = (line.split(":", 1) for line in text.splitlines() if line.strip())
    return {name.strip(): command.strip() for name, command in pairs}


def read_procfile() -> dict[str, str]:
    """The Procfile of the checkout, parsed."""
    return parse_procfile((ROOT / "Procfile").read_text())


def in_shell(line: str) -> list[str]:
    """The command that runs a line in a shell, as hosting platforms do."""
    return ["/bin/sh", "-c", f"exec {line}"]


def shell_command(process_type: str) -> list[str]:
    """The command of a process type."""
    return in_shell(read_procfile()[process_type])


def server_line(kind: str) -> str:
    """The command line of an interface server: daphne or uvicorn."""
    return {"daphne": read_procfile()["web"], "uvicorn": UVICORN}[kind]


def server_command(kind: str) -> list[str]:
    """The command of an interface server, which listens on the variable PORT."""
    return in_shell(server_line(kind))
