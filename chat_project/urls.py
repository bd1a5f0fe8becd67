"""The URLs: the admin, the accounts, and the chat for everything else."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("chat.accounts.urls")),
    path("", include("chat.urls")),
]

handler404 = "chat.views.not_found"
