"""What a password must be, where Django's own words are not translated."""

from django.contrib.auth import password_validation
from django.utils.translation import gettext


class MinimumLengthValidator(password_validation.MinimumLengthValidator):
    """Django's, whose error has no Chinese words in 5.2."""

    def get_error_message(self) -> str:
        """Say how long it must be."""
        rule = gettext("This password is too short: it needs at least %(count)d characters.")
        return rule % {"count": self.min_length}
