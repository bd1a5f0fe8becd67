"""The pages under /accounts/."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.accounts import views
from chat.accounts.models import Name

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"
HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>"
# Where a log-in must not redirect to.
ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "\x00/lobby/",
    "https://testserver@evil.example/",
]
# What would redirect in circles.
FORMS = ["/accounts/login/", "/accounts/logout/", "http://testserver/accounts/signup/?next=/"]


def sign_up(
    client: Client, name: str = "ann", headers: dict[str, str] | None = None, **more: str
) -> Any:
    form = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
    return client.post("/accounts/signup/", form | more, headers=headers)


def log_in(client: Client, name: str = "ann", **more: str) -> Any:
    return client.post("/accounts/login/", {"username": name, "password": PASSWORD} | more)


def who_is_logged_in(client: Client) -> str:
    page = client.get("/accounts/password/", follow=True)
    return str(page.context["user"].username)


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password=PASSWORD)


# Signing up


def test_signing_up_logs_in(client: Client) -> None:
    assert sign_up(client)["Location"] == "/"
    assert who_is_logged_in(client) == "ann"
    assert Name.objects.get().key == "ann"


def test_a_name_is_stored_in_its_compatible_form(client: Client) -> None:
    sign_up(client, "\uff21\uff4e\uff4e")
    assert User.objects.get().username == "Ann"


def errors(response: Any, field: str) -> str:
    assert response.status_code == 200
    return unescape("".join(response.context["form"].errors[field]))


@pytest.mark.parametrize("name", ["ann", "Ann", "\uff41\uff4e\uff4e", "ANN"])
def test_a_taken_name_is_refused(client: Client, ann: User, name: str) -> None:
    assert "is taken" in errors(sign_up(client, name), "username")
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "name",
    ["", HTML, "a b", "a\nb", "a\u200bnn", "\u202enna", "\u3164", "ann\u3164", "x" * 41, "a\x00b"],
)
def test_an_invalid_name_is_reported_beside_its_field(client: Client, name: str) -> None:
    response = sign_up(client, name)
    assert errors(response, "username")
    page = response.content.decode()
    assert 'aria-invalid="true"' in page
    assert "<script>" not in page
    assert "<img src=x" not in page
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["short", "12345678901", "password123", "annemarie1"])
def test_a_bad_password_is_refused(client: Client, password: str) -> None:
    response = sign_up(client, "annemarie", password1=password, password2=password)
    assert errors(response, "password2")
    assert not User.objects.exists()


def test_two_different_passwords_are_refused(client: Client) -> None:
    assert errors(sign_up(client, password2=PASSWORD + "!"), "password2")


def test_html_in_a_password_is_plain_text(client: Client) -> None:
    sign_up(client, password1=HTML, password2=HTML)
    assert User.objects.get().check_password(HTML)


def test_one_of_two_concurrent_sign_ups_gets_the_name(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both check the name before either stores it."""
    monkeypatch.setattr(Name.objects, "check_free", lambda *args: None)
    assert sign_up(client, "ann").status_code == 302
    for name in ("Ann", "ANN"):
        assert "is taken" in errors(sign_up(Client(), name), "username")
    assert User.objects.get().username == "ann"


def test_naming_rules_are_shown_in_both_languages(client: Client) -> None:
    for language, words in (("en", "letters, in any script"), ("zh-CN", "任何文字的字母")):
        page = sign_up(client, "x y", headers={"accept-language": language})
        assert words in page.content.decode()
    assert sign_up(client, "张三")["Location"] == "/"


# Logging in and out


def test_a_log_in_redirects_back(client: Client, ann: User) -> None:
    assert log_in(client, next="/lobby/?a=b")["Location"] == "/lobby/?a=b"
    assert who_is_logged_in(client) == "ann"


def test_the_form_keeps_the_redirect_target(client: Client) -> None:
    for path in ("login", "signup"):
        page = client.get(f"/accounts/{path}/?next=/lobby/").content.decode()
        assert '<input type="hidden" name="next" value="/lobby/">' in page
        other = {"login": "signup", "signup": "login"}[path]
        assert f'href="/accounts/{other}/?next=/lobby/"' in page


@pytest.mark.parametrize("target", [*ELSEWHERE, *FORMS])
def test_no_form_redirects_to_other_sites_or_in_circles(
    client: Client, ann: User, target: str
) -> None:
    assert log_in(client, next=target)["Location"] == "/"
    assert client.get("/accounts/login/", {"next": target})["Location"] == "/"
    assert client.post("/accounts/logout/", {"next": target})["Location"] == "/"
    assert sign_up(client, "bob", next=target)["Location"] == "/"
    page = client.get("/accounts/password/done/", {"next": target}).content.decode()
    assert re.findall(r'<a class="button" href="([^"]*)"', page) == ["/"]


def test_html_in_next_is_escaped(client: Client) -> None:
    page = client.get("/accounts/login/", {"next": f'/"{HTML}'}).content.decode()
    assert "<img src=x" not in page
    assert "<script>" not in page


@pytest.mark.parametrize("typed", ["ann", "Ann", "ANN", "\uff21nn"])
def test_a_name_may_be_typed_in_any_case(client: Client, ann: User, typed: str) -> None:
    assert log_in(client, typed)["Location"] == "/"
    assert who_is_logged_in(client) == "ann"


def test_two_older_lookalike_accounts_log_in_with_their_own_names(
    client: Client, ann: User
) -> None:
    Name.objects.all().delete()
    other = User(username="Ann")
    other.set_password(PASSWORD)
    User.objects.bulk_create([other])  # as before names were reserved
    Name.objects.keep(ann, is_new=True)
    log_in(client, "Ann")
    assert who_is_logged_in(client) == "Ann"


def test_a_wrong_password_reveals_nothing_more(client: Client, ann: User) -> None:
    for name in ("ann", "nobody", HTML):
        page = client.post("/accounts/login/", {"username": name, "password": "wrong"})
        assert page.status_code == 200
        assert "Please enter a correct username and password." in page.content.decode()
        assert "<img src=x" not in page.content.decode()
    assert who_is_logged_in(client) == ""


def test_a_logged_in_user_is_redirected(client: Client, ann: User) -> None:
    client.force_login(ann)
    for path in ("login", "signup"):
        assert client.get(f"/accounts/{path}/?next=/lobby/")["Location"] == "/lobby/"


def test_a_log_out_redirects_back(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert client.post("/accounts/logout/", {"next": "/lobby/"})["Location"] == "/lobby/"
    assert who_is_logged_in(client) == ""


def test_a_link_cannot_log_out(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert client.get("/accounts/logout/").status_code == 405
    assert who_is_logged_in(client) == "ann"


@pytest.mark.parametrize("path", ["signup", "login", "logout", "password"])
def test_forms_of_other_sites_are_refused(ann: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert client.post(f"/accounts/{path}/").status_code == 403


# Changing the password


def change(client: Client, old: str = PASSWORD, new: str = "another horse battery") -> Any:
    form = {"old_password": old, "new_password1": new, "new_password2": new, "next": "/lobby/"}
    return client.post("/accounts/password/", form)


def test_a_password_is_changed(client: Client, ann: User) -> None:
    client.force_login(ann)
    elsewhere = Client()
    elsewhere.force_login(ann)
    response = change(client)
    assert response["Location"] == "/accounts/password/done/?next=%2Flobby%2F"
    page = client.get(response["Location"]).content.decode()
    assert re.findall(r'<a class="button" href="([^"]*)"', page) == ["/lobby/"]
    ann.refresh_from_db()
    assert ann.check_password("another horse battery")
    assert who_is_logged_in(client) == "ann"
    assert who_is_logged_in(elsewhere) == ""


def test_the_old_password_is_required(client: Client, ann: User) -> None:
    client.force_login(ann)
    assert errors(change(client, old="wrong"), "old_password")
    assert errors(change(client, new="short"), "new_password2")


@pytest.mark.parametrize("path", ["/accounts/password/", "/accounts/password/done/"])
def test_a_guest_is_asked_to_log_in_first(client: Client, path: str) -> None:
    assert client.get(path)["Location"] == f"/accounts/login/?next={path}"


def test_form_urls_are_those_that_the_views_expect() -> None:
    from django.urls import reverse

    assert reverse("login").startswith(f"/{views.FORMS}")
