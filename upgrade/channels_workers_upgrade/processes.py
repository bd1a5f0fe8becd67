"""Lines that start the processes of Channels."""

from __future__ import annotations

import re
from collections.abc import Iterator

from channels_workers_upgrade.findings import Finding

#: Options that Daphne had before 2.0 and has not now.
OLD_OPTIONS = {
    "--ws-protocol": 'the consumer accepts with {"accept": True, "subprotocol": ...}',
    "--force-sync": "there is nothing to force: the server is asyncio",
}


def find_processes(text: str) -> Iterator[Finding]:
    """Yield what is to be said of each line of *text*, which starts the processes of a project.

    It is a Procfile, a script, or what Docker, supervisord or systemd read.
    """
    has_daphne = re.search(r"\bdaphne\b", text)
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#"):
            continue
        if re.search(r"\brundelay\b", line):
            yield Finding(number, "`rundelay`", "there is no such command; see `channels.delay`")
        if re.search(r"\brunworker\b", line):
            yield _worker(number, _command(lines[number - 1 :]))
        if has_daphne:
            yield from _daphne(number, line)


def _command(lines: list[str]) -> str:
    """Return the first of *lines* with those that it is continued on."""
    last = next((index for index, line in enumerate(lines) if not line.endswith("\\")), len(lines))
    return " ".join(line.rstrip("\\") for line in lines[: last + 1])


def _worker(number: int, command: str) -> Finding:
    """Return what is to be said of a worker, which may have no channel any more."""
    command = command[command.index("runworker") :]
    only = re.findall(r"""--only-channels[\s=,"']+([^\s,"'\]]+)""", command)
    if only and all(pattern.startswith(("http.", "http*")) for pattern in only):
        what = f"`runworker --only-channels={only[0]}`"
        cure = "no channel is left for it, as the server calls views itself: take this worker out"
        return Finding(number, what, cure)
    return Finding(number, "`runworker`", "stays as it is", is_note=True)


def _daphne(number: int, line: str) -> Iterator[Finding]:
    """Yield what is to be said of a line of Daphne's, whose options may be over several."""
    for option, cure in OLD_OPTIONS.items():
        if re.search(rf"{option}(?![\w-])", line):
            yield Finding(number, f"`daphne {option}`", f"take it out: {cure}")
    if ":channel_layer" in line:
        cure = "stays as it is, as long as asgi.py has this name; the new one is `application`"
        yield Finding(number, "`daphne ...:channel_layer`", cure, is_note=True)
