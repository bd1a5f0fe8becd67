"""A page, and a view that stores something."""

import time

from channels import Channel
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.urls import path


def page(request):
    """A static page."""
    return HttpResponse("here")


@transaction.atomic
def store(request):
    """Store a row and send a message about it, in a transaction that takes a while."""
    user = User.objects.create(username="somebody")
    Channel("differences.row").send({"user": user.pk})
    time.sleep(1)
    return HttpResponse("stored")


urlpatterns = [path("page/", page), path("store/", store)]
