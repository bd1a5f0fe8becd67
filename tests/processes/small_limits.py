"""Settings of the chat with a limit that a test reaches soon."""

from chat_project.settings import *  # noqa: F403

CHANNEL_WORKERS = {"REPLY_BYTES_WAITING": 100_000}
