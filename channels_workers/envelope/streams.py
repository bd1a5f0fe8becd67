"""The handlers of a consumer: methods with ``@stream``, and the types in their annotations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, get_type_hints

from channels_workers.envelope.frames import LONGEST_NAME
from channels_workers.envelope.refused import INVALID, Refused

#: The attribute of a method with the name of its stream.
STREAM = "envelope_stream"

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Stream(NamedTuple):
    """What clients may send on a stream, for documents and tools.

    *name* is ``""`` for the frames without a stream, and *method* that of the handler. *payload*
    and *reply* are the annotations of the handler's payload and result, ``Any`` without one.
    *description* is the first paragraph of its docstring.
    """

    name: str
    method: str
    payload: Any = Any
    reply: Any = Any
    description: str = ""


def stream(name: Any = "") -> Callable[[Handler], Handler]:
    """Let a method of an :class:`EnvelopeConsumer` handle the frames of the stream *name*.

    Without a name it handles the frames that have no ``stream``. The method gets the payload. If
    that is annotated, it is validated first; see :doc:`/how-to/envelope`. What it returns answers
    a request. ::

        @stream("say")
        def say(self, payload):
            return {"length": len(payload["text"])}

    Raises ``TypeError`` without brackets, and for a name longer than 100 characters.
    """
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise TypeError(
            '@stream takes the name of the stream, as in @stream("say"), or nothing, as in '
            f"@stream(). It has up to {LONGEST_NAME} characters. It was {name!r}."
        )

    def mark(method: Handler) -> Handler:
        setattr(method, STREAM, name)
        return method

    return mark


def methods_by_stream(cls: type) -> dict[str, str]:
    """Return the name of the method for each stream of *cls*, by the name of the stream.

    A method that overrides a handler is one, too. Raises ``TypeError`` for a stream with two
    handlers, and for a method that cannot be one.
    """
    found: dict[str, str] = {}
    for method, name in _marked(cls):
        if name in found:
            raise TypeError(
                f"{cls.__qualname__} has two handlers for the stream {name!r}: {found[name]} and "
                f"{method}. Remove one, or rename its stream."
            )
        _check_method(cls, method)
        found[name] = method
    return found


def _marked(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the names of handlers, and of their streams."""
    seen: set[str] = set()
    for each in cls.__mro__:
        for method, value in vars(each).items():
            name = getattr(getattr(value, "__func__", value), STREAM, None)  # of a staticmethod
            if isinstance(name, str) and method not in seen:
                seen.add(method)
                if inspect.getattr_static(cls, method) is not None:
                    yield method, name


def _check_method(cls: type, method: str) -> None:
    value = inspect.getattr_static(cls, method)
    where = f"{cls.__qualname__}.{method}"
    if not inspect.isfunction(value):
        raise TypeError(f"{where} has @stream, so it must be a method with `self`, not {value!r}.")
    if getattr(value, "is_once", False):
        raise TypeError(
            f"{where} has @once, which would begin after the nonce of its frame was looked up. "
            "Remove it, and set `once = True` on the class."
        )
    if inspect.isgeneratorfunction(value) or inspect.isasyncgenfunction(value):
        raise TypeError(f"{where} is a generator, so it would do nothing. Use self.send().")
    if inspect.iscoroutinefunction(value):
        raise TypeError(
            f"{where} is `async def`, which class-based consumers do not run. Write it as `def`, "
            "or use @envelope on an `async def` function."
        )
    try:
        inspect.signature(value).bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"{where} has @stream, so it takes `self` and the payload: {error}. The named groups "
            "of the route are in self.kwargs."
        ) from None


def described(cls: type, methods: Mapping[str, str]) -> dict[str, Stream]:
    """Return the streams of *cls* with their types; *methods* are those of them.

    Raises ``TypeError`` for an annotation that cannot be resolved.
    """
    return {name: _described(cls, name, method) for name, method in methods.items()}


def _described(cls: type, name: str, method: str) -> Stream:
    function = getattr(cls, method)
    names = list(inspect.signature(function).parameters)
    hints = types_of(function)
    payload = hints.get(names[1] if len(names) > 1 else "", Any)
    text = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return Stream(name, method, payload, hints.get("return", Any), " ".join(text.split()))


def types_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of *function*; ``TypeError`` if one cannot be resolved."""
    try:
        return get_type_hints(function, include_extras=True)
    except Exception as error:
        raise TypeError(
            f"The annotations of {function.__qualname__} cannot be resolved: {error!r}. Import "
            "their names outside of `if TYPE_CHECKING`."
        ) from error


def validated(kind: Any, payload: Any) -> Any:
    """Return *payload* as a value of *kind*; raise :class:`Refused` naming the wrong fields."""
    if kind is Any:
        return payload
    from channels_workers.schemas.errors import Invalid  # noqa: PLC0415  (needs an extra)
    from channels_workers.schemas.reading import read  # noqa: PLC0415

    try:
        return read(kind, payload)
    except Invalid as error:
        fields = [{**each, "field": each["field"] or "payload"} for each in error.fields]
        raise Refused(INVALID, error.text, fields) from None
