"""A view that stores a send in its transaction, and may be killed right after the COMMIT."""

from __future__ import annotations

import os
import signal

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from channels_workers import Channel


@transaction.atomic
def order(request: HttpRequest, number: int) -> HttpResponse:
    """Record the order *number*, and send it to ``orders``; with ``?kill`` die after the COMMIT."""
    if "kill" in request.GET:
        transaction.on_commit(_kill)  # before the nudge of the relay
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO ordered (number) VALUES (%s)", [number])
    Channel("orders").send({"number": number}, in_transaction="default")
    return HttpResponse("ordered")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
