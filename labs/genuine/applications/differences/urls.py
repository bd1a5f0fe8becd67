"""A page, and views whose effects the engines differ in."""

import time

from channels import Channel
from channels.handler import AsgiRequest
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


def page(request):
    """A static page."""
    return HttpResponse("here")


@transaction.atomic
def store(request):
    """Store a row and send a message about it, in a transaction that takes a while."""
    user = User.objects.create(username="somebody")
    Channel("differences.row").send({"user": user.pk})
    time.sleep(3)
    return HttpResponse("stored")


def later(request):
    """Leave the answer to a consumer."""
    Channel("differences.later").send({"reply_channel": request.reply_channel.name})
    raise AsgiRequest.ResponseLater


def long(request):
    """Answer with two megabytes."""
    return HttpResponse(b"long" * 500_000)


def slow(request):
    """Take a while."""
    User.objects.create(username=f"visitor {User.objects.count()}")
    time.sleep(3)
    return HttpResponse("slow")


@csrf_exempt
def measure(request):
    """Read the whole body."""
    return HttpResponse(str(len(request.body)))


urlpatterns = [
    path("page/", page),
    path("store/", store),
    path("later/", later),
    path("long/", long),
    path("slow/", slow),
    path("measure/", measure),
]
