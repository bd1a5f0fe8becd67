"""Types of messages, for these tests."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    """Where it is."""

    x: float
    y: float


@dataclass
class Say:
    text: Annotated[str, Field(min_length=1, max_length=5)]
    type: Literal["say"] = "say"
    to: str | None = None


@dataclass
class Move:
    type: Literal["move", "shift"]
    to: Point
    by: Annotated[int, Field(ge=1, le=9)] = 1


@dataclass
class Everything:
    flag: bool
    count: int
    share: float
    name: str
    colour: Colour
    size: Literal["S", "L", 7]
    either: int | str
    perhaps: Point | None
    points: list[Point]
    by_name: dict[str, Point]
    pair: tuple[int, str]
    many: tuple[int, ...]
    when: dt.datetime
    day: dt.date
    key: uuid.UUID
    price: Decimal
    tags: Annotated[list[Annotated[str, Field(pattern="^[a-z]+$")]], Field(max_length=3)] = field(
        default_factory=list
    )


EVERYTHING = {
    "flag": True,
    "count": 3,
    "share": 1,
    "name": "ann",
    "colour": "red",
    "size": 7,
    "either": "x",
    "perhaps": None,
    "points": [{"x": 1, "y": 2.5}],
    "by_name": {"a": {"x": 0, "y": 0}},
    "pair": [1, "b"],
    "many": [1, 2, 3],
    "when": "2026-11-30T08:00:00.5Z",
    "day": "2026-11-30",
    "key": "0c9b54e1-a2f7-4d0e-8a3b-0123456789ab",
    "price": "12.50",
    "tags": ["a", "b"],
}


class Model(BaseModel):
    """A model of pydantic."""

    label: str = Field(max_length=10, description="What it is called.")
    points: list[Point] = []


class Person(TypedDict):
    who: str
    account: NotRequired[bool]


@dataclass
class Text:
    type: Literal["text"]
    text: str


@dataclass
class Node:
    """A tree whose tag is also a key."""

    type: Literal["node"]
    value: int
    node: Annotated[Node | Text, Field(discriminator="type")] | None = None
