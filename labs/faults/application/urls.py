"""The pages of the project under load, which workers answer in the rows about requests."""

from django.urls import path

from labs.faults.application import pages

urlpatterns = [
    path("work/<str:key>/", pages.work),
    path("download/<str:key>/", pages.download),
    path("upload/<str:key>/", pages.upload),
]
