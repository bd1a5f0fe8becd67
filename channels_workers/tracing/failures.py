"""Errors in spans, without the texts of exceptions, as in logs."""

from __future__ import annotations

from traceback import format_exception

from django.conf import settings
from opentelemetry.trace import Span, Status, StatusCode

from channels_workers.logs.text import without_texts


def record(span: Span, error: BaseException) -> None:
    """Let *span* have the status ERROR, and an event about *error*.

    Texts of exceptions may quote private data: only under ``DEBUG`` is the text in the event.
    """
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    attributes = {
        "exception.type": name,
        "exception.stacktrace": "\n".join(without_texts(error, set())),
    }
    if settings.DEBUG:
        attributes["exception.message"] = str(error)
        attributes["exception.stacktrace"] = "".join(format_exception(error))
    span.add_event("exception", attributes)
    span.set_attribute("error.type", name)
    span.set_status(Status(StatusCode.ERROR, name))
