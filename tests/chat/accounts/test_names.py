"""Ownership of names, however an account was created."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from pytest_django.fixtures import Settings

from chat.accounts.models import Name

pytestmark = pytest.mark.django_db


def keys() -> list[str]:
    return sorted(Name.objects.values_list("key", flat=True))


def test_every_new_user_has_a_name() -> None:
    User.objects.create_user("Ann")
    User.objects.create(username="BOB")
    call_command("createsuperuser", interactive=False, username="Carl", email="c@example.com")
    assert keys() == ["ann", "bob", "carl"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *(("ann", "is taken"), ("ANN", "is taken"), ("\uff41\uff4e\uff4e", "is taken")),
        ("a\u200bnn", r"U\+200B ZERO WIDTH SPACE"),
        ("\u202enna", r"U\+202E RIGHT-TO-LEFT OVERRIDE"),
        ("ann\u115f", r"U\+115F HANGUL CHOSEONG FILLER"),
        ("ann\ufffc", r"U\+FFFC OBJECT REPLACEMENT CHARACTER"),
        ("an\u0323\u0308\u0332\u0301\u0300n", "up to 4"),
    ],
)
def test_a_name_that_resembles_an_accounts_is_refused(name: str, reason: str) -> None:
    User.objects.create_user("Ann")
    with pytest.raises(ValidationError, match=reason):
        User.objects.create_user(name)
    assert User.objects.count() == 1


def test_a_command_reports_it() -> None:
    User.objects.create_user("Ann")
    with pytest.raises(CommandError, match="is taken"):
        call_command("createsuperuser", "--noinput", username="ann", email="a@example.com")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 41, "up to 40 characters"),
        ("\ufdfa" * 40, "up to 40 characters"),
        ("a\nb", "control characters"),
        ("\u3164", "can be seen"),
    ],
)
def test_an_invalid_handle_is_an_invalid_name(name: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        User.objects.create_user(name)
    assert not User.objects.exists()


def test_the_maximum_length_is_a_setting(settings: Settings) -> None:
    settings.CHAT_HANDLE_LENGTH = 3
    User.objects.create_user("ann")
    with pytest.raises(ValidationError, match="up to 3 characters"):
        User.objects.create_user("carl")


def test_the_constraint_decides_a_race(monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_user("ann")
    monkeypatch.setattr(Name.objects, "check_free", lambda *args: None)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("Ann")
    assert User.objects.count() == 1


def test_renaming_frees_the_previous_name() -> None:
    ann = User.objects.create_user("ann")
    ann.username = "anna"
    ann.save()
    User.objects.create_user("Ann")
    assert keys() == ["ann", "anna"]


def test_a_user_may_change_the_spelling_of_its_name() -> None:
    ann = User.objects.create_user("ann")
    ann.username = "Ann"
    ann.save()
    assert keys() == ["ann"]


def test_nobody_is_renamed_to_the_name_of_another() -> None:
    User.objects.create_user("ann")
    bob = User.objects.create_user("bob")
    bob.username = "Ann"
    with pytest.raises(ValidationError, match="is taken"):
        bob.save()
    assert keys() == ["ann", "bob"]


def test_deleting_a_user_frees_the_name() -> None:
    User.objects.create_user("ann").delete()
    assert not Name.objects.is_taken("ann")


def test_an_inactive_user_keeps_the_name() -> None:
    User.objects.create_user("ann", is_active=False)
    assert Name.objects.is_taken("Ann")


def test_a_dump_can_be_loaded(tmp_path: Path) -> None:
    User.objects.create_user("ann")
    dump = io.StringIO()
    call_command("dumpdata", "auth.user", "accounts", stdout=dump)
    (tmp_path / "dump.json").write_text(dump.getvalue())
    User.objects.all().delete()
    call_command("loaddata", str(tmp_path / "dump.json"), verbosity=0)
    assert keys() == ["ann"]


# The admin


def test_the_admin_reports_a_taken_name_beside_the_field(admin_client: Client) -> None:
    ann = User.objects.create_user("ann")
    form = {"username": "Ann", "usable_password": "false"}
    page = admin_client.post("/admin/auth/user/add/", form)
    assert "is taken" in page.context["errors"].as_text()
    form = {"username": "ADMIN", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    page = admin_client.post(f"/admin/auth/user/{ann.pk}/change/", form)
    assert "is taken" in page.context["errors"].as_text()
    assert keys() == ["admin", "ann"]


def test_the_admin_saves_a_user_with_an_unchanged_name(admin_client: Client) -> None:
    ann = User.objects.create_user("ann")
    form = {"username": "ann", "date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    form |= {"first_name": "Ann", "is_active": "on"}
    assert admin_client.post(f"/admin/auth/user/{ann.pk}/change/", form).status_code == 302
    assert User.objects.get(pk=ann.pk).first_name == "Ann"


# Existing accounts


def migrate(name: str | None) -> None:
    MigrationExecutor(connection).migrate([("accounts", name)])


@pytest.fixture
def before() -> Iterator[None]:
    """The database before names were reserved."""
    migrate(None)
    yield
    executor = MigrationExecutor(connection)
    executor.migrate([each for each in executor.loader.graph.leaf_nodes() if each[0] == "accounts"])


@pytest.mark.django_db(transaction=True)
def test_the_older_account_keeps_the_name(before: None) -> None:
    names = ("Ann", "ann", "bob", "x" * 100)
    User.objects.bulk_create(User(username=name) for name in names)
    migrate("0001_names")
    assert keys() == ["ann", "bob", "x" * 100]
    first, second = User.objects.filter(username__iexact="ann").order_by("pk")
    assert Name.objects.get(key="ann").user_id == first.pk

    second.set_password("a secret for this test")
    second.save()  # continues as before
    assert Name.objects.get(key="ann").user_id == first.pk
    second.username = "anne"
    second.save()
    assert Name.objects.get(key="anne").user_id == second.pk


@pytest.mark.django_db(transaction=True)
def test_existing_keys_are_recomputed_without_blanks(before: None) -> None:
    migrate("0002_attempts")
    users = User.objects.bulk_create(
        User(username=name) for name in ("ann\ufffc", "bob", "bob\U0001d159")
    )
    Name.objects.bulk_create(Name(user=user, key=user.username) for user in users)
    migrate("0003_keys_without_blanks")
    assert keys() == ["ann", "bob", "bob\U0001d159"]
    assert Name.objects.is_taken("Ann")
    ann = User.objects.get(username="ann\ufffc")
    ann.first_name = "Ann"
    ann.save()  # continues under its name
    assert Name.objects.as_known("ann\ufffc") == Name.objects.as_known("ann") == "ann\ufffc"
