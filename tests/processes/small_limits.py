"""The chat's settings with a limit that is low enough for a test."""

from chat_project.settings import *  # noqa: F403

CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": 60, "REPLY_BYTES_WAITING": 100_000}
