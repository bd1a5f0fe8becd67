"""The pages of an account."""

from django.urls import path

from . import views

urlpatterns = [
    path("signup/", views.signup),
    path("login/", views.login),
    path("logout/", views.logout),
    path("password/", views.password),
    path("colour/", views.colour),
]
