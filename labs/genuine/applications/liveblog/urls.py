"""A blog at its slug, a post at its number."""

from django.urls import path

from . import views

urlpatterns = [
    path("<slug:slug>/", views.blog),
    path("<slug:slug>/<int:number>/", views.edit),
]
