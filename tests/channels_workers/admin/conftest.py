"""Shared by the tests of the pages in the admin.

member
    `member("view_status", ...)` returns the test client of a new member of the staff with these
    permissions, who is logged in.
"""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import translation

Member = Callable[..., Client]

#: Names that would do harm if a page did not escape them.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 }}</script><!--",
    "\u202e\u0000\x1b[31m",
)


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """Leave the next tests their language, after pages in another one."""
    with translation.override(translation.get_language()):
        yield


@pytest.fixture
def member(db: None) -> Member:
    numbers = count()

    def make(*permissions: str, is_staff: bool = True) -> Client:
        user = User.objects.create_user(f"ann-{next(numbers)}", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        client = Client()
        client.force_login(user)
        return client

    return make
