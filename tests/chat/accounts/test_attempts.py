"""Rate limits of log-ins and sign-ups."""

import datetime as dt
import logging
import threading
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from chat.accounts.models import Attempt
from labs.harness.visitor import Visitor
from tests.conftest import StartWeb

PASSWORD = "correct horse battery"
HERE, THERE = "203.0.113.7", "203.0.113.8"


@pytest.fixture
def limits(settings: Settings) -> Settings:
    settings.LOGIN_RATE_LIMIT = (3, 600.0)
    settings.LOGIN_ADDRESS_RATE_LIMIT = (5, 600.0)
    settings.SIGNUP_RATE_LIMIT = (2, 3600.0)
    settings.CHANNEL_WORKERS = {"TRUSTED_PROXIES": 1}
    return settings


@pytest.fixture
def ann(limits: Settings) -> User:
    return User.objects.create_user("ann", password=PASSWORD)


def try_name(
    name: str, password: str = "wrong", address: str = HERE, path: str = "/accounts/login/"
) -> Any:
    """Submit a log-in form. An X-Forwarded-For header written by the client must not count."""
    forwarded = f"6.6.6.{Attempt.objects.count()}, {address}"
    form = {"username": name, "password": password}
    return Client().post(path, form, headers={"x-forwarded-for": forwarded})


def statuses(*responses: Any) -> list[int]:
    return [response.status_code for response in responses]


pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_wrong_passwords_are_limited(ann: User, path: str) -> None:
    assert statuses(*(try_name("ann", path=path) for _ in range(5))) == [200, 200, 200, 429, 429]
    assert try_name("ann", PASSWORD, path=path).status_code == 429


def test_lookalike_names_count_as_one(ann: User) -> None:
    names = ["ann", "Ann", "\uff41nn", "a\u200bnn"]
    assert statuses(*map(try_name, names)) == [200, 200, 200, 429]


def test_unknown_names_count_too(limits: Settings) -> None:
    assert statuses(*(try_name("nobody") for _ in range(4))) == [200, 200, 200, 429]


def test_nobody_can_lock_another_person_out(ann: User) -> None:
    for _ in range(6):
        try_name("ann", address=THERE)
    assert try_name("ann", address=THERE).status_code == 429
    assert try_name("ann", PASSWORD, address=HERE).status_code == 302


def test_an_address_that_tries_many_names_is_refused(ann: User) -> None:
    assert statuses(*(try_name(f"n{n}") for n in range(6))) == [200] * 5 + [429]
    assert try_name("ann", PASSWORD).status_code == 429
    assert try_name("n1", address=THERE).status_code == 200


def test_an_ipv6_network_counts_as_one_address(ann: User) -> None:
    tried = [try_name("ann", address=f"2001:db8::{number}") for number in range(4)]
    assert statuses(*tried) == [200, 200, 200, 429]
    assert try_name("ann", address="2001:db8:0:1::1").status_code == 200


def test_successful_log_ins_are_not_counted(ann: User) -> None:
    for _ in range(6):
        assert try_name("ann", PASSWORD).status_code == 302
    assert Attempt.objects.count() == 0


def test_a_correct_password_resets_the_name_but_not_the_address(ann: User) -> None:
    for password in ("wrong", "wrong", PASSWORD, "wrong", "wrong", PASSWORD):
        assert try_name("ann", password).status_code in {200, 302}
    assert try_name("bob").status_code == 200
    assert try_name("bob").status_code == 429


def test_attempts_expire(ann: User) -> None:
    for _ in range(4):
        try_name("ann")
    Attempt.objects.update(time=timezone.now() - dt.timedelta(seconds=601))
    assert try_name("ann").status_code == 200
    Attempt.objects.update(time=timezone.now() - dt.timedelta(seconds=3601))
    try_name("ann")
    assert Attempt.objects.count() == 2


def test_refused_attempts_do_not_extend_the_wait(ann: User) -> None:
    for _ in range(3):
        try_name("ann")
    Attempt.objects.update(time=timezone.now() - dt.timedelta(seconds=500))
    waits = [int(try_name("ann")["Retry-After"]) for _ in range(5)]
    assert all(90 < wait <= 100 for wait in waits)
    assert Attempt.objects.count() == 6  # three attempts, with two keys each


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Try again in 10 min."), ("zh-CN", "请在 10 分钟后再试。")]
)
def test_a_page_says_when_to_try_again(ann: User, language: str, words: str) -> None:
    for _ in range(3):
        try_name("ann")
    form = {"username": "ann", "password": "wrong"}
    headers = {"x-forwarded-for": HERE, "accept-language": language}
    page = Client().post("/accounts/login/", form, headers=headers)
    assert page.status_code == 429
    assert words in page.content.decode()


def test_a_refusal_is_logged_in_one_line(ann: User, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(4):
        try_name("ann", "my secret password")
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.getMessage() == f"Too many attempts to log in from {HERE}"
    assert (vars(record)["event"], vars(record)["client"]) == ("too_many_attempts", HERE)


def test_addresses_are_not_stored_in_plain_text(ann: User) -> None:
    try_name("ann")
    assert not any(HERE in str(row) or "ann" in str(row) for row in Attempt.objects.all())


def test_limits_may_be_disabled(ann: User, settings: Settings) -> None:
    settings.LOGIN_RATE_LIMIT = settings.LOGIN_ADDRESS_RATE_LIMIT = None
    settings.SIGNUP_RATE_LIMIT = None
    assert statuses(*(try_name("ann") for _ in range(8))) == [200] * 8
    settings.LOGIN_ADDRESS_RATE_LIMIT = (2, 60.0)
    tried = [try_name("ann", password) for password in ("wrong", PASSWORD, "wrong", "wrong")]
    assert statuses(*tried) == [200, 302, 200, 429]


def test_authentication_without_a_request_is_not_counted(ann: User) -> None:
    for _ in range(6):
        assert authenticate(username="ann", password="wrong") is None
    assert authenticate(username="ann", password=PASSWORD) == ann


def test_no_backend_admits_an_inactive_user(ann: User) -> None:
    User.objects.update(is_active=False)
    assert try_name("ann", PASSWORD).status_code == 200


@pytest.mark.django_db(transaction=True)
async def test_limits_apply_under_asgi(limits: Settings) -> None:
    form = {"username": "ann", "password": "wrong"}
    client = AsyncClient()
    headers = {"x-forwarded-for": HERE}
    found = [await client.post("/accounts/login/", form, headers=headers) for _ in range(4)]
    assert statuses(*found) == [200, 200, 200, 429]


# Signing up


def sign_up(name: str, address: str = HERE) -> Any:
    form = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
    headers = {"x-forwarded-for": address}
    return Client().post("/accounts/signup/", form, headers=headers)


def test_new_accounts_are_limited(limits: Settings) -> None:
    assert statuses(*(sign_up(f"n{number}") for number in range(3))) == [302, 302, 429]
    assert User.objects.count() == 2
    assert sign_up("n3", THERE).status_code == 302
    assert Client().get("/accounts/signup/").status_code == 200


def test_invalid_forms_count_as_well(ann: User) -> None:
    assert statuses(*(sign_up("ann") for _ in range(3))) == [200, 200, 429]


# On real servers


def test_concurrent_attempts_on_two_servers_stay_within_the_limit(start_web: StartWeb) -> None:
    limit = {"LOGIN_RATE_LIMIT": "4/600", "TRUSTED_PROXIES": "0"}
    servers = [start_web(env=limit), start_web("uvicorn", env=limit)]
    barrier = threading.Barrier(12)
    found: list[int] = []

    def guess(number: int) -> None:
        visitor = Visitor.of(servers[number % 2])
        visitor.get("/accounts/login/")
        barrier.wait(60)
        answer = visitor.post("/accounts/login/", username="ann", password=f"wrong {number}")
        found.append(answer.status)

    threads = [threading.Thread(target=guess, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(found) == {200, 429}
    assert found.count(200) <= 4
    assert len(found) == 12
