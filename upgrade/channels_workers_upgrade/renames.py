"""The vocabulary of renames: from names of Channels 1.1.8 to names of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

OLD = "channels"
NEW = "channels_workers"


class Status(Enum):
    """The state of a name in the engine; the value is the word in the documentation."""

    #: It exists, maybe in another module: the command rewrites imports and uses.
    SAME = "same"
    #: The same, after versions without it; what is special about it is noted.
    AGAIN = "again"
    #: It exists but is used differently: change it by hand.
    CHANGED = "changed"
    #: It does not exist and will not come.
    GONE = "gone"


_AS_BEFORE = {Status.SAME, Status.AGAIN}


class Row(NamedTuple):
    """Names of one module of 1.1.8 with the same status: a row of the documentation.

    *module* and *here* are full names of the old and the new module. *called* is the new name of
    a single name, if it changed. *remark* says what is different, or what to do instead.
    """

    module: str
    names: tuple[str, ...]
    status: Status
    here: str = ""
    remark: str = ""
    called: str = ""

    @property
    def is_same(self) -> bool:
        """Whether the command rewrites imports and uses of the names."""
        return self.status in _AS_BEFORE


class Rename(NamedTuple):
    """The status of one name; *target* is its new full name, "" without one."""

    status: Status
    target: str
    remark: str

    @property
    def is_same(self) -> bool:
        """Whether the command rewrites imports and uses of the name."""
        return self.status in _AS_BEFORE


def same(module: str, names: str, remark: str = "", here: str = "", called: str = "") -> Row:
    """Return the row of *names*, separated by spaces, that work as before.

    *module* is given without ``channels``. The new module has the same name unless *here* is given.
    """
    here = here or _new(module)
    return Row(_old(module), tuple(names.split()), Status.SAME, here, remark, called)


def again(module: str, names: str, remark: str = "", here: str = "") -> Row:
    """Return the row of *names* that are back and work as before."""
    return same(module, names, remark, here)._replace(status=Status.AGAIN)


def changed(module: str, names: str, remark: str, here: str = "") -> Row:
    """Return the row of *names* that exist but are used differently."""
    return Row(_old(module), tuple(names.split()), Status.CHANGED, here or _new(module), remark)


def gone(module: str, names: str, remark: str) -> Row:
    """Return the row of *names* that will not come."""
    return Row(_old(module), tuple(names.split()), Status.GONE, remark=remark)


def renames(rows: Iterable[Row]) -> dict[str, Rename]:
    """Return the rename of each full name in *rows*."""
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
