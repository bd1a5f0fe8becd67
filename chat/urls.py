"""The chat's URLs. Each first path segment that is not reserved is a room."""

from django.urls import path, re_path

from chat import views
from chat.names import LABEL

urlpatterns = [
    path("", views.lobby, name="lobby"),
    path("new/", views.new, name="new"),
    re_path(rf"^(?P<label>{LABEL})/$", views.room, name="room"),
    re_path(rf"^(?P<label>{LABEL})/messages/$", views.history, name="history"),
    # Last, and under DEBUG too: after a typo people need help, not a list of patterns.
    re_path(r"^.*/$", views.not_found),
]
