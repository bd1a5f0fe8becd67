"""Accounts, and books by their numbers."""

from django.urls import include, path

from . import views

urlpatterns = [
    path("", include("login.urls")),
    path("books/", views.add),
    path("books/<int:number>/", views.edit),
    path("books/<int:number>/delete/", views.delete),
]
