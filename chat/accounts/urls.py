"""The URLs under ``/accounts/``, with the names of ``django.contrib.auth``."""

from django.urls import path

from chat.accounts import views

urlpatterns = [
    path("signup/", views.SignUp.as_view(), name="signup"),
    path("login/", views.LogIn.as_view(), name="login"),
    path("logout/", views.LogOut.as_view(), name="logout"),
    path("password/", views.ChangePassword.as_view(), name="password_change"),
    path("password/done/", views.PasswordChanged.as_view(), name="password_change_done"),
]
