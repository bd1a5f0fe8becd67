"""Finds the lines that start processes of Channels."""

from __future__ import annotations

import re
from collections.abc import Iterator

from channels_workers_upgrade.findings import Finding

#: Options that Daphne dropped in 2.0, each with the alternative.
OLD_OPTIONS = {
    "--ws-protocol": 'the consumer accepts with {"accept": True, "subprotocol": ...}',
    "--force-sync": "the server always runs on asyncio",
}


def find_processes(text: str) -> Iterator[Finding]:
    """Yield findings for the lines of *text* that start processes of a project.

    *text*: a Procfile, a script, or a file of Docker, supervisord or systemd.
    """
    has_daphne = re.search(r"\bdaphne\b", text)
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#"):
            continue
        if re.search(r"\brundelay\b", line):
            yield Finding(
                number, "`rundelay`", "remove this process: each worker sends delayed messages"
            )
        if re.search(r"\brunworker\b", line):
            yield _worker(number, _command(lines[number - 1 :]))
        if has_daphne:
            yield from _daphne(number, line)


def _command(lines: list[str]) -> str:
    """Return the first of *lines* joined with its continuation lines."""
    last = next((index for index, line in enumerate(lines) if not line.endswith("\\")), len(lines))
    return " ".join(line.rstrip("\\") for line in lines[: last + 1])


def _worker(number: int, command: str) -> Finding:
    """Return the finding for a worker; one for HTTP alone has no channel by default."""
    command = command[command.index("runworker") :]
    only = re.findall(r"""--only-channels[\s=,"']+([^\s,"'\]]+)""", command)
    if only and all(pattern.startswith(("http.", "http*")) for pattern in only):
        what = f"`runworker --only-channels={only[0]}`"
        cure = 'remove it, or let workers answer HTTP: CHANNEL_WORKERS = {"HTTP": "workers"}'
        return Finding(number, what, cure)
    return Finding(number, "`runworker`", "works as before", is_note=True)


def _daphne(number: int, line: str) -> Iterator[Finding]:
    """Yield findings for a line of a command of Daphne, which may span several lines."""
    for option, cure in OLD_OPTIONS.items():
        if re.search(rf"{option}(?![\w-])", line):
            yield Finding(number, f"`daphne {option}`", f"remove it: {cure}")
    if ":channel_layer" in line:
        cure = "works as long as asgi.py defines this name; the new one is `application`"
        yield Finding(number, "`daphne ...:channel_layer`", cure, is_note=True)
