"""What becomes of the sockets of a log-in that has ended."""

from channels_workers.message import Message


def logged_out(message: Message) -> None:
    """Make the sockets of ``login`` (one browser), or of ``person`` (all of them), anonymous."""
    make_anonymous(message.get("login"), message.get("person"))


def make_anonymous(login: str | None, person: str | None) -> None:
    """Let those who are here by this log-in be here as guests, and tell them and the rooms."""
