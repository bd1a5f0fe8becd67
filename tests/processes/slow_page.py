"""Settings and a page whose content a test writes into the FIFO named by PAGE."""

import os
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.urls import path

from chat_project.settings import *  # noqa: F403

ROOT_URLCONF = "tests.processes.slow_page"


def slow(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Path(os.environ["PAGE"]).read_text())


urlpatterns = [path("slow/", slow)]
