import pytest
from django.core.exceptions import ImproperlyConfigured

from chat_project import environment


@pytest.fixture
def name() -> str:
    return "X_SETTING"


def put(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_flags_that_are_on(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    put(monkeypatch, name, value)
    assert environment.flag(name, default=False) is True


@pytest.mark.parametrize("value", ["0", "False", "no", "OFF"])
def test_flags_that_are_off(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    put(monkeypatch, name, value)
    assert environment.flag(name, default=True) is False


def test_unset_and_empty_are_the_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert environment.flag(name, default=True) is True
    put(monkeypatch, name, " ")
    assert environment.flag(name, default=True) is True
    assert environment.integer(name, 7) == 7
    assert environment.seconds(name, 1.5) == 1.5
    assert environment.words(name, ("a",)) == ["a"]
    assert environment.rate(name, "10/5") == (10, 5.0)
    assert environment.choice(name, "a", ("a", "b")) == "a"
    assert environment.redis_url(name) == ""
    assert environment.database(name, "sqlite:///x")["NAME"] == "x"


def test_valid_values(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    put(monkeypatch, name, " a.example, b.example ,")
    assert environment.words(name) == ["a.example", "b.example"]
    put(monkeypatch, name, "12")
    assert environment.integer(name, 7) == 12
    put(monkeypatch, name, "0.5")
    assert environment.seconds(name, 1.0) == 0.5
    put(monkeypatch, name, "rediss://host:6380/1")
    assert environment.redis_url(name) == "rediss://host:6380/1"
    put(monkeypatch, name, "postgres://u:p@host:5432/db")
    assert environment.database(name, "sqlite:///x")["ENGINE"] == "django.db.backends.postgresql"


@pytest.mark.parametrize(
    ("value", "rate"), [("0", None), ("3/1", (3, 1.0)), ("100/0.5", (100, 0.5))]
)
def test_rates(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, rate: tuple[int, float] | None
) -> None:
    put(monkeypatch, name, value)
    assert environment.rate(name, "10/5") == rate


@pytest.mark.parametrize("value", ["10", "0/5", "10/0", "a/b", "10/-1", "10/nan", "10/inf", "/"])
def test_bad_rates(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    put(monkeypatch, name, value)
    with pytest.raises(ImproperlyConfigured, match="X_SETTING must be <number>/<seconds>"):
        environment.rate(name, "10/5")


def test_an_invalid_value_is_reported_with_expectation_value_and_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(monkeypatch, name, "maybe")
    with pytest.raises(ImproperlyConfigured) as caught:
        environment.flag(name, default=True)
    assert str(caught.value) == (
        "The environment variable X_SETTING must be one of 1, true, yes, on or 0, false, no, off, "
        "but it is 'maybe'. Set for example X_SETTING=0, or unset it for the default."
    )


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "0", "11"])
def test_bad_integers(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    put(monkeypatch, name, value)
    with pytest.raises(ImproperlyConfigured, match="at least 1 and at most 10"):
        environment.integer(name, 7, least=1, most=10)


@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf", "soon"])
def test_bad_seconds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    put(monkeypatch, name, value)
    with pytest.raises(ImproperlyConfigured, match="positive number of seconds"):
        environment.seconds(name, 1.0)


def test_an_invalid_choice(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    put(monkeypatch, name, "c")
    with pytest.raises(ImproperlyConfigured, match="one of a, b"):
        environment.choice(name, "a", ("a", "b"))


def test_an_invalid_url_is_not_quoted_because_of_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put(monkeypatch, name, "http://user:secret@host/")
    with pytest.raises(ImproperlyConfigured, match="redis://") as caught:
        environment.redis_url(name)
    assert "secret" not in str(caught.value)
    with pytest.raises(ImproperlyConfigured, match="URL of a database") as caught:
        environment.database(name, "sqlite:///x")
    assert "secret" not in str(caught.value)
