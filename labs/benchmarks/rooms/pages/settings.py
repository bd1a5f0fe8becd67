"""Settings of the site whose interface server answers."""

from labs.benchmarks.rooms.workers.settings import *  # noqa: F403

MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "labs.benchmarks.rooms.pages.urls"
