"""The chat as a Django app."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Named "chat", with 64-bit ids."""

    name = "chat"
    default_auto_field = "django.db.models.BigAutoField"
