"""A password validator whose error text is translated."""

from django.contrib.auth import password_validation
from django.utils.translation import gettext


class MinimumLengthValidator(password_validation.MinimumLengthValidator):
    """Django's validator. Its error has no Chinese translation in Django 5.2."""

    def get_error_message(self) -> str:
        """Return the error with the minimum length."""
        rule = gettext("This password is too short: it needs at least %(count)d characters.")
        return rule % {"count": self.min_length}
