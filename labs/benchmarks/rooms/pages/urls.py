"""The page: a kilobyte of text, made by a sync view without a database."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

TEXT = "A small page. " * 73


def page(request: HttpRequest) -> HttpResponse:
    """Answer."""
    return HttpResponse(TEXT)


urlpatterns = [path("page/", page)]
