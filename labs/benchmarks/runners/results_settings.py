"""Settings of Django for the results of Celery."""

from labs.benchmarks.runners.databases import databases

SECRET_KEY = "benchmark"
INSTALLED_APPS = ["django_celery_results"]
USE_TZ = True
DATABASES = databases()
