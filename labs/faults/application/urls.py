"""The pages of the project under load. In the rows about requests workers answer them."""

from django.urls import path

from labs.faults.application import pages

urlpatterns = [
    path("block/", pages.block),
    path("work/<str:key>/", pages.work),
    path("download/<str:key>/", pages.download),
    path("upload/<str:key>/", pages.upload),
]
