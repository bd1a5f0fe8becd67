import math
from dataclasses import fields
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from pytest_django import Settings

from channels_workers.conf import (
    ONE_AND_ALL,
    Configuration,
    configuration,
    http_by,
    http_by_workers,
)
from channels_workers.conf_values import MAY_BE_ZERO, metrics_ports

PATHS = ["HEALTH_PATH", "READY_PATH", "LOAD_PATH"]
SWITCHES = ["CLOSE_ON_ERROR", "FALLBACKS", "TRACING", "TRACING_FROM_CLIENTS"]
OTHERS = ["CONNECT", "HTTP", "ALLOWED_ORIGINS", "MIDDLEWARE", "RELAY", "RETRY_ON"]
OTHERS += ["METRICS_PORT", "METRICS_HOST"]
OTHERS += ["REQUEST_ID_HEADER", "TRACING_BAGGAGE"]
OTHERS += [*PATHS, *MAY_BE_ZERO, *SWITCHES]
NUMBERS = [field.name for field in fields(Configuration) if field.name not in OTHERS]


def test_defaults_apply_without_the_setting(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}  # triggers a reload, unlike deleting the setting
    del settings.CHANNEL_WORKERS
    assert configuration() == Configuration()


def test_defaults_match_the_documentation() -> None:
    defaults = Configuration()
    assert defaults.CONNECT == "explicit"
    assert defaults.HTTP == "interface"
    assert defaults.HANDSHAKE_TIMEOUT < 5, "Daphne's own time-out would come first"
    assert all(getattr(defaults, name) > 0 for name in NUMBERS)
    assert [getattr(defaults, name) for name in PATHS] == ["", "", ""]


def test_a_set_key_keeps_other_defaults(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"CONNECT": "accept", "FRAME_SIZE": 10}
    assert configuration() == Configuration(CONNECT="accept", FRAME_SIZE=10)


def test_changing_and_removing_the_setting_takes_effect() -> None:
    with override_settings(CHANNEL_WORKERS={"STOP_TIMEOUT": 1}):
        assert configuration().STOP_TIMEOUT == 1
    with override_settings(CHANNEL_WORKERS={}):
        assert configuration().STOP_TIMEOUT == Configuration().STOP_TIMEOUT


def test_the_setting_is_read_once(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {}
    assert configuration() is configuration()


@pytest.mark.parametrize(
    ("value", "ports"),
    [("", []), (9100, [9100]), ("9100", [9100]), ("9100-9102", [9100, 9101, 9102])],
)
def test_ports_of_metrics(value: int | str, ports: list[int], settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"METRICS_PORT": value}
    assert list(metrics_ports(configuration().METRICS_PORT)) == ports


@pytest.mark.parametrize(
    "value", [0, -1, 65_536, "9109-9100", "9100-", "-9100", "http", True, None, 9100.0, "9100-x"]
)
def test_other_ports_of_metrics_are_refused(value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"METRICS_PORT": value}
    with pytest.raises(ImproperlyConfigured, match=r"\['METRICS_PORT'\] must be a port, such as 9"):
        configuration()


@pytest.mark.parametrize("value", ["", None, 1])
def test_the_address_of_metrics_is_a_text(value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"METRICS_HOST": value}
    with pytest.raises(ImproperlyConfigured, match=r"\['METRICS_HOST'\] must be an address"):
        configuration()


@pytest.mark.parametrize("value", [None, [], "accept", [("CONNECT", "accept")]])
def test_it_must_be_a_dict(value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = value
    with pytest.raises(ImproperlyConfigured, match=r"must be a dict, not (NoneType|list|str): "):
        configuration()


def test_an_unknown_key_is_reported_with_the_known_keys(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"CONECT": "accept"}
    with pytest.raises(
        ImproperlyConfigured,
        match=r"unknown key 'CONECT'. Known keys: ALLOWED_ORIGINS, ALL_ANSWER_",
    ):
        configuration()


@pytest.mark.parametrize("value", ["Accept", "", None, True, 1])
def test_connect_is_one_of_two_values(value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"CONNECT": value}
    expected = r"\['CONNECT'\] must be 'explicit' or 'accept', not "
    with pytest.raises(ImproperlyConfigured, match=expected):
        configuration()


@pytest.mark.parametrize("value", ["elsewhere", None, ["workers"], 1])
def test_http_is_one_of_the_known_values(value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": value}
    expected = r"\['HTTP'\] must be 'interface' or 'workers', or a dict of path prefixes, not "
    with pytest.raises(ImproperlyConfigured, match=expected):
        configuration()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, r"must have the key '/', for the paths without .* It has \{\}"),
        ({"/poll": "workers"}, r"must have the key '/'"),
        ({"/": "workers", "poll/": "workers"}, r"begin with a slash as keys.*, not 'poll/'"),
        ({"/": "workers", "": "workers"}, r"begin with a slash as keys.*, not ''"),
        ({"/": "workers", 1: "workers"}, r"begin with a slash as keys.*, not 1"),
        ({"/": "worker"}, r"\['HTTP'\]\['/'\] must be 'interface' or 'workers', not 'worker'"),
        ({"/": "workers", "/a": None}, r"\['HTTP'\]\['/a'\] must be .*, not None"),
    ],
)
def test_http_by_prefix_is_checked(value: Any, message: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": value}
    with pytest.raises(ImproperlyConfigured, match=message):
        configuration()


@pytest.mark.parametrize("choice", ["interface", "workers"])
def test_one_value_holds_for_all_paths(choice: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HTTP": choice}
    assert {http_by(path) for path in ("/", "/a/b", "*", "")} == {choice}
    assert http_by_workers() == (choice == "workers")


def test_the_longest_prefix_decides_by_whole_segments(settings: Settings) -> None:
    prefixes = {"/poll": "workers", "/": "interface", "/poll/now/": "interface"}
    settings.CHANNEL_WORKERS = {"HTTP": prefixes}
    workers = [path for path in ("/poll", "/poll/", "/poll/new", "/poll/now") if by_workers(path)]
    assert workers == ["/poll", "/poll/", "/poll/new", "/poll/now"]
    assert not any(map(by_workers, ("/", "/polls", "/poll/now/", "/poll/now/1", "*")))
    assert http_by_workers()
    settings.CHANNEL_WORKERS = {"HTTP": {"/": "interface", "/a": "interface"}}
    assert not http_by_workers()
    assert not by_workers("/poll")


def by_workers(path: str) -> bool:
    return http_by(path) == "workers"


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1, -0.5, -math.inf, "4", None, True])
def test_limits_and_times_are_positive_numbers(name: str, value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {name: value}
    with pytest.raises(
        ImproperlyConfigured, match=rf"\['{name}'\] must be a (whole )?number above 0, not "
    ):
        configuration()


def test_a_share_is_at_most_one(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"STREAM_THREADS": 1}
    assert configuration().STREAM_THREADS == 1
    settings.CHANNEL_WORKERS = {"STREAM_THREADS": 1.1}
    with pytest.raises(ImproperlyConfigured, match="is a share and must be at most 1, not 1.1"):
        configuration()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (86_401, "must be at most 86400, a day"),
        (1.5, "must be a whole number of at least 0"),
        (-1, "must be a whole number of at least 0"),
        (True, "must be a whole number of at least 0"),
        ("30", "must be a whole number of at least 0"),
    ],
)
def test_the_time_to_resume_is_a_day_at_most(settings: Settings, given: Any, error: str) -> None:
    settings.CHANNEL_WORKERS = {"RESUME_TIME": given}
    with pytest.raises(ImproperlyConfigured, match=rf"'RESUME_TIME'\] {error}"):
        configuration()


@pytest.mark.parametrize("name", ["TRUSTED_PROXIES", "CONNECTIONS_PER_ADDRESS"])
def test_some_values_may_be_none(name: str, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {name: 0}
    assert getattr(configuration(), name) == 0
    for value in (-1, 0.5, "1", None, False):
        settings.CHANNEL_WORKERS = {name: value}
        with pytest.raises(
            ImproperlyConfigured, match=rf"'{name}'\] must be a whole number of at least 0, not "
        ):
            configuration()


@pytest.mark.parametrize("value", ["https://chat.example.com", [1], None, {"*"}])
def test_origins_are_a_list_of_strings(value: Any, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"ALLOWED_ORIGINS": value}
    with pytest.raises(
        ImproperlyConfigured, match=r"'ALLOWED_ORIGINS'\] must be a list of strings"
    ):
        configuration()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("django.db.Error", "must be a list of dotted names of exceptions"),
        ([OSError], "must be a list of dotted names of exceptions"),
        (["django.db.NoError"], "names 'django.db.NoError', which cannot be imported"),
        (["OSError"], "names 'OSError', which cannot be imported"),
        (["django.db.connection"], "must name subclasses of Exception; 'django.db.connection' is"),
        (["builtins.SystemExit"], "must name subclasses of Exception"),
    ],
)
def test_retryable_errors_are_a_list_of_exceptions(
    value: Any, message: str, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {"RETRY_ON": value}
    with pytest.raises(ImproperlyConfigured, match=message):
        configuration()


def test_the_list_of_retryable_errors_may_be_empty(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"RETRY_ON": []}
    assert configuration().RETRY_ON == []


@pytest.mark.parametrize("name", ["DRAIN_TIME", "RETURN_TIME", "RESPONSE_TIMEOUT"])
def test_some_times_may_be_zero_but_not_negative(name: str, settings: Settings) -> None:
    for value in (0, 0.0, 2.5, 600):
        settings.CHANNEL_WORKERS = {name: value}
        assert getattr(configuration(), name) == value
    for value in (-1, math.inf, math.nan, "4", None, False):
        settings.CHANNEL_WORKERS = {name: value}
        with pytest.raises(ImproperlyConfigured, match="must be a number of at least 0, not "):
            configuration()


@pytest.mark.parametrize("name", PATHS)
def test_paths_begin_with_a_slash(name: str, settings: Settings) -> None:
    for value in ("", "/up", "/a/b/"):
        settings.CHANNEL_WORKERS = {name: value}
        assert getattr(configuration(), name) == value
    for value in ("up", None, 1, True, b"/up"):
        settings.CHANNEL_WORKERS = {name: value}
        with pytest.raises(ImproperlyConfigured, match="must be a path that begins with a slash"):
            configuration()


@pytest.mark.parametrize("name", SWITCHES)
def test_switches_are_true_or_false(name: str, settings: Settings) -> None:
    assert getattr(Configuration(), name) is False
    settings.CHANNEL_WORKERS = {name: True}
    assert getattr(configuration(), name) is True
    for value in (1, 0, "True", None):
        settings.CHANNEL_WORKERS = {name: value}
        with pytest.raises(ImproperlyConfigured, match="must be True or False, not "):
            configuration()


@pytest.mark.parametrize("value", [0.5, 10.0, math.inf, math.nan])
def test_counts_and_sizes_are_whole_numbers(value: float, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"FRAMES_WAITING": value}
    with pytest.raises(ImproperlyConfigured, match="must be a whole number above 0, not "):
        configuration()


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_times_are_finite(value: float, settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"HANDSHAKE_TIMEOUT": value}
    with pytest.raises(ImproperlyConfigured, match="must be a number above 0, not "):
        configuration()


def test_an_invalid_value_is_reported_each_time(settings: Settings) -> None:
    settings.CHANNEL_WORKERS = {"FRAME_SIZE": 0}
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured):
            configuration()


@pytest.mark.parametrize(("one", "for_all"), ONE_AND_ALL)
def test_a_limit_for_all_is_at_least_that_for_one(
    one: str, for_all: str, settings: Settings
) -> None:
    settings.CHANNEL_WORKERS = {one: 10, for_all: 10}
    assert getattr(configuration(), for_all) == 10
    settings.CHANNEL_WORKERS = {one: 11, for_all: 10}
    with pytest.raises(ImproperlyConfigured, match=rf"'{for_all}'\] must be at least {one}, 11"):
        configuration()
