import unittest
from typing import Any, ClassVar

import pytest
from channels.layers import channel_layers
from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase
from pytest_django import Settings

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.message import Message
from channels_workers.routing import get_router, include, null_consumer, route
from channels_workers.test.cases import ChannelTestCaseMixin
from channels_workers.test.routes import apply_routes


def is_routed(channel: str) -> bool:
    layer = channel_layers["default"]
    assert isinstance(layer, InMemoryChannelLayer)
    return get_router().root.match(Message({}, channel, layer)) is not None


def to(channel: str) -> Any:
    return route(channel, null_consumer)


@pytest.fixture(autouse=True)
def first_routing(memory_layer: InMemoryChannelLayer, settings: Settings) -> None:
    settings.CHANNEL_ROUTING = [to("first")]


@pytest.mark.parametrize(
    "routes",
    [
        to("one"),
        [to("one")],
        (to("one"), to("two")),
        [[to("two")], [to("one")]],
        [[to("two")], to("one")],
        include([to("one")]),
        {"one": null_consumer},
    ],
    ids=["route", "list", "tuple", "lists", "mixed", "include", "dict"],
)
def test_accepted_forms(routes: Any) -> None:
    with apply_routes(routes):
        assert is_routed("one")
        assert not is_routed("first")
    assert is_routed("first")
    assert not is_routed("one")


def test_no_routes() -> None:
    with apply_routes([]):
        assert not is_routed("first")


def test_routes_are_restored_after_an_error() -> None:
    with pytest.raises(ValueError, match="broken"), apply_routes(to("one")):
        raise ValueError("broken")
    assert is_routed("first")


def test_one_object_may_be_nested() -> None:
    one, two = apply_routes(to("one")), apply_routes(to("two"))
    with one:
        with two:
            assert is_routed("two")
            with one:
                assert is_routed("one")
            assert is_routed("two")
        assert is_routed("one")
    assert is_routed("first")


def test_enter_and_exit() -> None:
    routes = apply_routes(to("one"))
    routes.enter()
    assert is_routed("one")
    routes.exit(None, None, None)
    assert is_routed("first")


def test_an_unknown_alias() -> None:
    with apply_routes(to("one"), aliases=["default"]):
        assert is_routed("one")
    with (
        pytest.raises(ImproperlyConfigured, match="CHANNEL_LAYERS has no 'nowhere'"),
        apply_routes(to("one"), aliases=["nowhere"]),
    ):
        pass
    assert is_routed("first")


@apply_routes(to("one"))
def function(argument: int) -> int:
    """A docstring to preserve."""
    assert is_routed("one")
    return argument


@apply_routes(to("one"))
async def coroutine(argument: int) -> int:
    assert is_routed("one")
    return argument


def test_a_function() -> None:
    assert function(1) == 1
    assert (function.__name__, function.__doc__) == ("function", "A docstring to preserve.")
    assert is_routed("first")


async def test_a_coroutine() -> None:
    assert await coroutine(1) == 1
    assert is_routed("first")


@apply_routes(to("one"))
class Case(ChannelTestCaseMixin, SimpleTestCase):
    seen: ClassVar[list[str]] = []

    def setUp(self) -> None:
        self.see("setUp")
        self.addCleanup(self.see, "cleanup")

    def tearDown(self) -> None:
        self.see("tearDown")

    def see(self, where: str) -> None:
        if is_routed("one"):
            self.seen.append(where)

    def passes(self) -> None:
        self.see("test")

    def fails(self) -> None:
        raise ValueError("broken")


class CaseWithoutSuper(Case):
    def setUp(self) -> None:
        self.see("its own setUp")


class CaseWithBrokenSetUp(Case):
    def setUp(self) -> None:
        raise ValueError("broken")


@apply_routes(to("two"))
class CaseWithinCase(Case):
    def passes(self) -> None:
        self.seen.append("two" if is_routed("two") else "one")


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    Case.seen.clear()


def run(case: unittest.TestCase) -> unittest.TestResult:
    result = unittest.TestResult()
    case(result)
    assert is_routed("first")
    assert not is_routed("one")
    return result


def test_a_class() -> None:
    assert run(Case("passes")).wasSuccessful()
    assert Case.seen == ["setUp", "test", "tearDown", "cleanup"]


def test_a_class_whose_test_fails() -> None:
    assert not run(Case("fails")).wasSuccessful()
    assert Case.seen == ["setUp", "tearDown", "cleanup"]


def test_a_class_run_without_a_result() -> None:
    Case("passes").debug()
    assert Case.seen == ["setUp", "test", "tearDown", "cleanup"]
    with pytest.raises(ValueError, match="broken"):
        Case("fails").debug()
    assert is_routed("first")


def test_a_subclass_that_does_not_call_super() -> None:
    assert run(CaseWithoutSuper("passes")).wasSuccessful()
    assert Case.seen == ["its own setUp", "test", "tearDown"]


def test_a_subclass_whose_setup_is_broken() -> None:
    assert len(run(CaseWithBrokenSetUp("passes")).errors) == 1


def test_a_decorated_subclass_of_a_decorated_class() -> None:
    assert run(CaseWithinCase("passes")).wasSuccessful()
    assert "one" in Case.seen  # the routes of the base class are closer to the test


def test_a_class_that_is_not_a_test_case() -> None:
    with pytest.raises(TypeError, match="functions and test cases, not <class"):
        apply_routes(to("one"))(type("NoCase", (), {}))
