"""Pages, as an order that tells others about itself in three ways, and a report."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from channels_workers import Channel
from labs.monitoring.application.mail import send_mail
from labs.monitoring.application.trouble import take_some_time


def order(request: HttpRequest) -> HttpResponse:
    """Store a send, enqueue a task, and send a delayed message."""
    with transaction.atomic():
        Channel("shop.orders").send({"item": "tea"}, in_transaction="default")
        send_mail.enqueue("ann")
    Channel("shop.reminders").send({"item": "tea"}, delay=5)
    return HttpResponse("ordered\n")


def report(request: HttpRequest) -> HttpResponse:
    """Take some time."""
    take_some_time(0.01)
    return HttpResponse("a report\n")
