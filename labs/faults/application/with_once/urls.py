"""The page of the rooms with ``@once``."""

from django.urls import path

from labs.faults.application.with_once import pages

urlpatterns = [path("order/<int:number>/", pages.order)]
