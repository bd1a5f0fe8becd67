"""Prints a walk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from labs.walk.hops import by_hop, files, functions
from labs.walk.recorder import Call

#: The report goes between these two lines of a page.
BEGIN, END = "<!-- walk: begin -->", "<!-- walk: end -->"

Walks = Mapping[str, Sequence[Call]]


def totals(walks: Walks) -> list[list[str]]:
    """Return a row for each hop and one for the total: calls, files and functions of each layer."""
    hops = {layer: by_hop(calls) for layer, calls in walks.items()}
    names = list(next(iter(hops.values())))
    rows = [[name, *_numbers([hops[layer][name] for layer in walks])] for name in names]
    return [*rows, ["in all", *_numbers(list(walks.values()))]]


def _numbers(parts: Sequence[Sequence[Call]]) -> list[str]:
    return [
        str(len(counted)) for calls in parts for counted in (calls, files(calls), functions(calls))
    ]


def heading(walks: Walks) -> list[str]:
    """Return the names of the columns of :func:`totals`."""
    counted = ("calls", "files", "functions")
    return ["hop", *(f"{layer} {what}" for layer in walks for what in counted)]


def outline(calls: Sequence[Call]) -> Iterator[str]:
    """Return lines with the functions of each hop, by file, in the order of their calls."""
    for hop, called in by_hop(calls).items():
        yield hop
        for file in dict.fromkeys(call.function.file for call in called):
            names = Counter(call.function.name for call in called if call.function.file == file)
            listed = ", ".join(
                name if times == 1 else f"{name} ({times})" for name, times in names.items()
            )
            yield f"  {file}: {listed}"


def as_text(walks: Walks) -> str:
    """Return the report for a terminal."""
    lines = []
    for layer, calls in walks.items():
        lines += [f"{layer}:", *(f"  {line}" for line in outline(calls)), ""]
    rows = [heading(walks), *totals(walks)]
    lines += [f"{name:<10}" + "".join(f"{cell:>18}" for cell in cells) for name, *cells in rows]
    return "\n".join(lines)


def as_markdown(walks: Walks) -> str:
    """Return the report for the documentation: a table, then the functions of the last walk."""
    head = heading(walks)
    rows = [head, ["---"] * len(head), *totals(walks)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    layer, calls = list(walks.items())[-1]
    listed = "\n".join(outline(calls))
    return f"{table}\nThe functions, on the {layer} layer:\n\n```\n{listed}\n```\n"


def write_into(page: Path, text: str) -> None:
    """Replace the text between the two markers of *page*. ValueError without them."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} needs a line {BEGIN}, and after it a line {END}.")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
