"""Users in the admin: as Django shows them, with names that are nobody else's."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

from chat.accounts.forms import AdminLogInForm, ChangedUserForm, NewUserForm
from chat.admin import BoundsSearch

if TYPE_CHECKING:
    UserModelAdmin = UserAdmin[User]
else:
    UserModelAdmin = UserAdmin

admin.site.login_form = AdminLogInForm
admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(BoundsSearch, UserModelAdmin):
    """The accounts; those who are staff may delete what others said."""

    form = ChangedUserForm
    add_form = NewUserForm
