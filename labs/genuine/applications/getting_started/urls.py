"""Two pages: one to log in, one to visit."""

from django.urls import path

from . import views

urlpatterns = [
    path("enter/", views.enter),
    path("visit/", views.visit),
]
