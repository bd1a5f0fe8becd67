"""Writes the chat's files of deployment from the templates of the engine: ``scripts/deploy-files``.

A test compares them with the templates. That of the dashboard is made here, too.
"""

from channels_workers.scaffold.files import PARTS, Site, render
from labs.harness.project import ROOT
from labs.monitoring import dashboard

CHAT = Site(
    name="chat",
    package="chat_project",
    base="chat_project.settings",
    settings="",
    place="/srv/chat",
    folders=("channels_workers", "chat", "chat_project"),
    title="the chat",
    variables="docs/chat/running.md",
    sockets="chat|ws",
    hashes=True,
)
#: The code is the chat's own.
SHARED = [part for part in PARTS if part != "code"]


def write() -> None:
    """Write all files."""
    dashboard.write()
    for file in render(CHAT, SHARED):
        path = ROOT / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
        path.chmod(0o755 if file.is_program else 0o644)


if __name__ == "__main__":
    write()
