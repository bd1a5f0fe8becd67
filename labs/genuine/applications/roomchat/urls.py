"""Each room has a page at its label."""

from django.urls import path

from . import views

urlpatterns = [path("<slug:label>/", views.room)]
