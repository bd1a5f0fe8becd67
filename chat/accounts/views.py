"""The pages under ``/accounts/``: Django's own views, which lead back to where one came from."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.contrib.auth.views import (
    LoginView,
    LogoutView,
    PasswordChangeDoneView,
    PasswordChangeView,
    RedirectURLMixin,
)
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import get_script_prefix, reverse

from chat.accounts import attempts
from chat.accounts.forms import ChangePasswordForm, LogInForm, SignUpForm

# Who has just signed up needs no other proof.
BACKEND = "django.contrib.auth.backends.ModelBackend"
# Under this address of the site are forms alone, to which nobody needs to come back.
FORMS = "accounts/"


class ComesBack(RedirectURLMixin):
    """Leads back to ``next``, if that is a page of this site and no form of the accounts."""

    def get_redirect_url(self) -> str:  # type: ignore[override]  # as it is in Django 5.2
        """Return the safe ``next``, else ""."""
        target = super().get_redirect_url()
        is_form = urlsplit(target).path.startswith(f"{get_script_prefix()}{FORMS}")
        return "" if is_form else target


class LogIn(ComesBack, LoginView):
    """Ask for name and password."""

    form_class = LogInForm
    redirect_authenticated_user = True


class SignUp(LogIn):
    """Make an account and log in to it."""

    form_class = SignUpForm  # type: ignore[assignment]
    template_name = "registration/signup.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return what the form of a log-in takes, but for the request."""
        kwargs = super().get_form_kwargs()
        del kwargs["request"]
        return kwargs

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Make an account, unless there were too many attempts."""
        attempts.at_sign_up(request).begin()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in, unless somebody else was quicker with the same name."""
        try:
            user = form.save()
        except ValidationError as error:
            form.add_error("username", error)
            return self.form_invalid(form)
        login(self.request, user, BACKEND)
        return HttpResponseRedirect(self.get_success_url())


class LogOut(ComesBack, LogoutView):
    """End the log-in; the browser is asked by POST, so that no link of another site does it."""


class ChangePassword(ComesBack, PasswordChangeView):
    """Ask for the old password and the new one; all other log-ins of the account end."""

    form_class = ChangePasswordForm
    template_name = "registration/password.html"

    def get_success_url(self) -> str:
        """Return the page that says that it is done, and leads back."""
        query = urlencode({REDIRECT_FIELD_NAME: self.get_redirect_url()})
        return f"{reverse('password_change_done')}?{query}"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context with ``next``."""
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)


class PasswordChanged(ComesBack, PasswordChangeDoneView):
    """Say that it is done."""

    template_name = "registration/password_done.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context with ``next``."""
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)
