"""The forms for names and passwords, for visitors and for the admin."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import (
    AdminUserCreationForm,
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordChangeForm,
    UserChangeForm,
)
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.validators import MaxLengthValidator
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from chat.accounts.models import Name, taken

if TYPE_CHECKING:
    FormOfUser = forms.ModelForm[User]
    SignUpFormOfDjango = BaseUserCreationForm[User]
else:
    FormOfUser = forms.ModelForm
    SignUpFormOfDjango = BaseUserCreationForm


#: Longest password, in characters.
PASSWORD_LENGTH = 1000


class BoundsPasswords(forms.BaseForm):
    """Refuses far too long passwords before they are hashed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if "password" in name and isinstance(field, forms.CharField):
                bound(field, PASSWORD_LENGTH)


def bound(field: forms.CharField, length: int) -> None:
    """Limit a field of a form to so many characters."""
    field.max_length = length
    field.widget.attrs["maxlength"] = length
    field.validators.append(MaxLengthValidator(length))


class ChecksName(FormOfUser):
    """Shows beside the field why a name is not available."""

    def clean_username(self) -> str:
        """Return the name, unless it is invalid or looks like another account's."""
        name: str = self.cleaned_data["username"]
        if "username" in self.changed_data:
            Name.objects.check_free(name, self.instance.pk)
        return name


class SignUpForm(BoundsPasswords, ChecksName, SignUpFormOfDjango):
    """The form to sign up: a name and, twice, a password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = settings.CHAT_HANDLE_LENGTH
        name = self.fields["username"]
        name.widget.attrs["maxlength"] = limit
        name.help_text = gettext(
            "Under this name you speak. Up to %(limit)d letters, digits and @ . + - _, no spaces."
        ) % {"limit": limit}
        # In some languages Django's help text allows fewer characters than Django does.
        words = gettext("A name has only letters, in any script, digits and @ . + - _, no spaces.")
        allowed = UnicodeUsernameValidator(message=words)
        is_other = [each for each in name.validators if not isinstance(each, type(allowed))]
        name.validators = [*is_other, allowed]

    def save(self, commit: bool = True) -> User:
        """Store the account. ``ValidationError`` if somebody else has just taken the name."""
        user: User = super().save(commit=False)  # hashes the password, which takes time
        if not commit:
            return user
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:
            raise taken() from None
        return user


class LogInForm(BoundsPasswords, AuthenticationForm):
    """The form to log in: a name, in any case, and the password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["username"]
        if isinstance(name, forms.CharField) and name.max_length is not None:
            bound(name, name.max_length)  # Django tells only the browser

    def clean_username(self) -> str:
        """Return the name in the spelling of the account."""
        return Name.objects.as_known(self.cleaned_data["username"])


class AdminLogInForm(LogInForm, AdminAuthenticationForm):
    """The same form for staff."""


class ChangePasswordForm(BoundsPasswords, PasswordChangeForm):
    """The form for the old password and, twice, the new one."""


class NewUserForm(ChecksName, AdminUserCreationForm):  # type: ignore[type-arg]
    """The admin's form for new accounts."""


class ChangedUserForm(ChecksName, UserChangeForm):  # type: ignore[type-arg]
    """The admin's form for existing accounts."""
