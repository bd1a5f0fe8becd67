"""Users in the admin: Django's own pages, with unique names."""

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
    """The accounts. Staff may delete messages of others."""

    form = ChangedUserForm
    add_form = NewUserForm
