"""The commands of the Procfile."""

from labs.harness.project import ROOT


def parse_procfile(text: str) -> dict[str, str]:
    """Each process type with its command."""
    pairs = (line.split(":", 1) for line in text.splitlines() if line.strip())
    return {name.strip(): command.strip() for name, command in pairs}


def read_procfile() -> dict[str, str]:
    """What stands in the Procfile of the checkout."""
    return parse_procfile((ROOT / "Procfile").read_text())


def shell_command(process_type: str) -> list[str]:
    """The command of a process type, started as a platform starts it: by a shell."""
    return ["/bin/sh", "-c", f"exec {read_procfile()[process_type]}"]
