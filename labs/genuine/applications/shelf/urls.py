"""Accounts, and books by their numbers."""

from django.urls import include, path

from . import views

urlpatterns = [
    path("", include("login.urls")),
    path("books/", views.add),
    path("books/undone/", views.add_and_undo),
    path("books/<int:number>/", views.edit),
    path("books/<int:number>/delete/", views.delete),
]
