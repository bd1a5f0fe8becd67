"""What has become of a name of Channels 1.1.8."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

OLD = "channels"
NEW = "channels_workers"


class Status(Enum):
    """What has become of it; the value is the word in the documentation."""

    #: It is here, maybe in another place: imports and uses are rewritten.
    SAME = "same"
    #: Something of that name is here, which is used in another way: to be changed by hand.
    CHANGED = "changed"
    #: It is not here, and may come.
    NOT_YET = "not yet"
    #: It has no place in this engine.
    GONE = "gone"


@dataclass(frozen=True)
class Row:
    """Names of one module of 1.1.8 that have the same status: a row of the documentation.

    *module* and *here* are whole dotted names of modules; *called* is the name that a single
    one has now, if it is another. *remark* says what is different, or why it is not here and
    what to do.
    """

    module: str
    names: tuple[str, ...]
    status: Status
    here: str = ""
    remark: str = ""
    called: str = ""


@dataclass(frozen=True)
class Rename:
    """The status of one name; *target* is its dotted name now, "" if there is none."""

    status: Status
    target: str
    remark: str

    @property
    def is_same(self) -> bool:
        """Whether imports and uses of the name are rewritten."""
        return self.status is Status.SAME


def same(module: str, names: str, remark: str = "", here: str = "", called: str = "") -> Row:
    """Return the row of *names*, divided by spaces, that work as before.

    *module* is without ``channels``, and is the place here too unless *here* says otherwise.
    """
    here = here or _new(module)
    return Row(_old(module), tuple(names.split()), Status.SAME, here, remark, called)


def changed(module: str, names: str, remark: str, here: str = "") -> Row:
    """Return the row of *names* that are here and used in another way."""
    return Row(_old(module), tuple(names.split()), Status.CHANGED, here or _new(module), remark)


def not_yet(module: str, names: str, remark: str) -> Row:
    """Return the row of *names* that may come."""
    return Row(_old(module), tuple(names.split()), Status.NOT_YET, remark=remark)


def gone(module: str, names: str, remark: str) -> Row:
    """Return the row of *names* that have no place here."""
    return Row(_old(module), tuple(names.split()), Status.GONE, remark=remark)


def renames(rows: Iterable[Row]) -> dict[str, Rename]:
    """Return the status of each whole name in *rows*."""
    return {
        f"{row.module}.{name}": Rename(row.status, _target(row, name), row.remark)
        for row in rows
        for name in row.names
    }


def _target(row: Row, name: str) -> str:
    return f"{row.here}.{row.called or name}" if row.here else ""


def _old(module: str) -> str:
    return f"{OLD}.{module}".rstrip(".")


def _new(module: str) -> str:
    return f"{NEW}.{module}".rstrip(".")
