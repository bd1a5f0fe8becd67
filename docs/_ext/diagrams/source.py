"""The text of a diagram: its kind, its accessible title and its lines."""

from dataclasses import dataclass


class DiagramError(ValueError):
    """A diagram that cannot be drawn."""


@dataclass(frozen=True)
class Source:
    """A diagram as it was written."""

    kind: str
    title: str
    description: str
    lines: list[str]

    @classmethod
    def read(cls, text: str) -> "Source":
        """Take a text apart. Comments begin with ``%%``."""
        stripped = (line.strip() for line in text.splitlines())
        kind, *lines = [line for line in stripped if line and not line.startswith("%%")] or [""]
        told = {"accTitle": "", "accDescr": ""}
        rest = []
        for line in lines:
            name, _, value = line.partition(":")
            if name in told:
                told[name] = value.strip()
            else:
                rest.append(line)
        if not told["accTitle"]:
            raise DiagramError(
                "a diagram needs a line `accTitle: ...`, for those who do not see it"
            )
        return cls(kind, told["accTitle"], told["accDescr"], rest)
