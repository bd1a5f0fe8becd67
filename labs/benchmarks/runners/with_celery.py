"""The tasks on Celery. SETTINGS has its settings."""

from __future__ import annotations

import json
import os

from celery import Celery

from labs.benchmarks.runners import diary

app = Celery("runners", broker=os.environ["REDIS_URL"])
app.conf.update(json.loads(os.environ["SETTINGS"]))
if app.conf.result_backend:
    os.environ["DJANGO_SETTINGS_MODULE"] = "labs.benchmarks.runners.results_settings"
    import django

    django.setup()

SENDERS = {
    body.__name__: app.task(body, name=body.__name__).delay for body in (diary.nothing, diary.hold)
}
