"""One page."""

from django.http import HttpResponse
from django.urls import path


def page(request):
    """Show that somebody is there."""
    return HttpResponse("here")


urlpatterns = [path("page/", page)]
