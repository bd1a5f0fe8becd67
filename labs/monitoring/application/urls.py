"""The pages of the site. Workers answer those below ``reports/``."""

from django.urls import path

from labs.monitoring.application import pages

urlpatterns = [
    path("orders/", pages.order),
    path("reports/", pages.report),
]
