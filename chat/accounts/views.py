"""The pages under ``/accounts/``: Django's own views, which redirect to the previous page."""

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

# A new account needs no further proof.
BACKEND = "django.contrib.auth.backends.ModelBackend"
# This path has only forms. Nobody needs to return to them.
FORMS = "accounts/"


class ComesBack(RedirectURLMixin):
    """Redirects to ``next`` if it is a page of this site and not a form of the accounts."""

    def get_redirect_url(self) -> str:  # type: ignore[override]  # as it is in Django 5.2
        """Return ``next`` if it is safe, otherwise an empty string."""
        target = super().get_redirect_url()
        is_form = urlsplit(target).path.startswith(f"{get_script_prefix()}{FORMS}")
        return "" if is_form else target


class LogIn(ComesBack, LoginView):
    """Ask for name and password."""

    form_class = LogInForm
    redirect_authenticated_user = True


class SignUp(LogIn):
    """Create an account and log in."""

    form_class = SignUpForm  # type: ignore[assignment]
    template_name = "registration/signup.html"

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the arguments of a log-in form, without the request."""
        kwargs = super().get_form_kwargs()
        del kwargs["request"]
        return kwargs

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Create an account, unless there were too many attempts."""
        attempts.sign_up_limit(request).begin()
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in, unless somebody else has just taken the name."""
        try:
            user = form.save()
        except ValidationError as error:
            form.add_error("username", error)
            return self.form_invalid(form)
        login(self.request, user, BACKEND)
        return HttpResponseRedirect(self.get_success_url())


class LogOut(ComesBack, LogoutView):
    """Log out. Only POST does, so that links on other sites cannot."""


class ChangePassword(ComesBack, PasswordChangeView):
    """Change the password. All other log-ins of the account end."""

    form_class = ChangePasswordForm
    template_name = "registration/password.html"

    def get_success_url(self) -> str:
        """Return the URL of the confirmation, with ``next``."""
        query = urlencode({REDIRECT_FIELD_NAME: self.get_redirect_url()})
        return f"{reverse('password_change_done')}?{query}"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context with ``next``."""
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)


class PasswordChanged(ComesBack, PasswordChangeDoneView):
    """Confirm the change of the password."""

    template_name = "registration/password_done.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context with ``next``."""
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)
