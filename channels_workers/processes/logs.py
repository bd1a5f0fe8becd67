"""Lets the parent log as the project does, without loading the project if that is possible."""

from __future__ import annotations

import importlib
import json
import logging.config
import os
from typing import Any

#: What Django calls with ``LOGGING``, unless a project changes it.
USUAL = "logging.config.dictConfig"


def describe(config_name: str | None, config: Any) -> dict[str, Any]:
    """Return the arguments of :func:`configure` for ``LOGGING_CONFIG`` and ``LOGGING``.

    *plain* is ``LOGGING`` if that is plain data, and None if only the *settings* can make it.
    """
    plain = None
    if config_name == USUAL:
        try:
            plain = json.loads(json.dumps(config))
        except (TypeError, ValueError):
            plain = None
    return {"settings": os.environ.get("DJANGO_SETTINGS_MODULE", ""), "plain": plain}


def configure(settings: str, plain: dict[str, Any] | None) -> None:
    """Configure the log; see :func:`describe`."""
    if plain:
        logging.config.dictConfig(plain)
    elif settings and plain is None:
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
        found = importlib.import_module("django.conf").settings
        log = importlib.import_module("django.utils.log")
        log.configure_logging(found.LOGGING_CONFIG, found.LOGGING)
