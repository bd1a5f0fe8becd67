"""What the sockets of a consumer receive and send, as types.

A declaration is for readers: for the :doc:`AsyncAPI document </how-to/asyncapi>` and the types of
TypeScript. It changes nothing at run time and needs no further package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

__all__ = [
    "Declaration",
    "Exchange",
    "JsonSchema",
    "Keywords",
    "declaration_of",
    "declares",
    "sends",
]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

#: From the JSON Schema of a payload to that of the frame around it.
Wrap = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class JsonSchema:
    """A type that is written as JSON Schema, of draft 7, beside those of Python."""

    name: str
    schema: Mapping[str, Any]


class Keywords:
    """Keywords of JSON Schema for a part of a type: ``Annotated[str, Keywords(maxLength=40)]``.

    They are for documents alone. For what is read, use the constraints of pydantic.
    """

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        return {**handler(schema), **self.keywords}


#: The attribute of a consumer that holds its declaration, or returns it.
ATTRIBUTE = "declaration"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Messages that go one way, as the server sees it: it receives or sends them."""

    action: Literal["receive", "send"]
    #: Types of payloads: dataclasses, ``TypedDict``, models of pydantic, or a :class:`JsonSchema`.
    kinds: tuple[Any, ...]
    #: The key whose value tells several types apart; "" for none.
    by: str = "type"
    #: The group whose members get them; ``{name}`` stands for a part that differs.
    group: str = ""
    #: The stream that they are on.
    stream: str = ""
    #: The kind of the frame around them, for names.
    frame: str = ""
    #: What happens to them, in a sentence.
    description: str = ""
    #: Without it the payload is the frame.
    wrap: Wrap | None = None
    #: Types of which one answers each message.
    reply: tuple[Any, ...] = ()
    wrap_reply: Wrap | None = None
    #: ``ignore`` if received messages may have keys that their type does not have.
    extra: Literal["forbid", "ignore"] = "forbid"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a consumer receives and sends."""

    exchanges: tuple[Exchange, ...] = ()
    #: The path, if the route has no filter for it: ``/chat/{label}/``.
    address: str = ""
    #: What the parameters of the path mean.
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: The subprotocols that the consumer knows.
    subprotocols: tuple[str, ...] = ()

    def __add__(self, other: Declaration) -> Declaration:
        more = (each for each in other.exchanges if each not in self.exchanges)
        return Declaration(
            (*self.exchanges, *more),
            self.address or other.address,
            {**other.parameters, **self.parameters},
            tuple(dict.fromkeys((*self.subprotocols, *other.subprotocols))),
        )


def declare(consumer: Any, declaration: Declaration) -> None:
    """Add *declaration* to what *consumer* declares already."""
    setattr(consumer, ATTRIBUTE, declaration + declaration_of(consumer))


def declaration_of(consumer: Any) -> Declaration:
    """Return what *consumer* declares. Decorators pass it on, as it is an attribute."""
    found = getattr(consumer, ATTRIBUTE, None)
    if found is not None and not isinstance(found, Declaration) and callable(found):
        found = found()
    return found if isinstance(found, Declaration) else Declaration()


def declares(
    *,
    receives: tuple[Any, ...] | list[Any] = (),
    sends: tuple[Any, ...] | list[Any] = (),
    by: str = "",
    address: str = "",
    parameters: Mapping[str, str] | None = None,
) -> Callable[[Decorated], Decorated]:
    """Declare what a consumer *receives* and *sends*, types that it reads and writes itself.

    *by* is the key that each received message must have, and that tells their types apart, if there
    is such a key. *address* is the path of its sockets, such as
    ``/chat/{label}/``, if the filters of its route do not say it, and *parameters* describes the
    parts of it.
    """
    exchanges = []
    if receives:
        exchanges.append(Exchange("receive", tuple(receives), by))
    if sends:
        exchanges.append(Exchange("send", tuple(sends), by))
    return _declaring(Declaration(tuple(exchanges), address, dict(parameters or {})))


def sends(*kinds: Any, group: str = "", by: str = "type") -> Callable[[Decorated], Decorated]:
    """Declare that a consumer sends messages of the types *kinds* to its socket.

    With *group*, the members of that group get them, whoever sends: ``board-{name}``. Then the
    consumer is the one that lets the socket join.
    """
    return _declaring(Declaration((Exchange("send", kinds, by, group),)))


def _declaring(declaration: Declaration) -> Callable[[Decorated], Decorated]:
    def decorate(consumer: Decorated) -> Decorated:
        declare(consumer, declaration)
        return consumer

    return decorate
