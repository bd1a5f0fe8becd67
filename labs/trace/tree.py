"""Traces as processes have written them, and as trees for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

Span = dict[str, Any]


def read(folder: Path) -> list[Span]:
    """Return the spans in the files of *folder*, by their beginning."""
    lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted(map(json.loads, lines), key=_start)


def trace_of(span: Span, spans: Iterable[Span]) -> list[Span]:
    """Return those of *spans* that are in the trace of *span*."""
    trace_id = span["context"]["trace_id"]
    return [each for each in spans if each["context"]["trace_id"] == trace_id]


def as_text(spans: list[Span]) -> str:
    """Return one trace as a tree: service, beginning after the root and duration (ms)."""
    known = {each["context"]["span_id"] for each in spans}
    roots = [each for each in spans if each["parent_id"] not in known]
    began = min(map(_start, spans))
    rows = [row for root in roots for row in _rows(root, spans, began, "", "")]
    width = max(len(name) for name, _, _, _ in rows)
    return "\n".join(
        f"{name:<{width}}  {service:<6}  {start:>7.1f} ms  {length:>6.1f} ms"
        for name, service, start, length in rows
    )


def _rows(
    span: Span, spans: list[Span], began: float, before: str, below: str
) -> Iterator[tuple[str, str, float, float]]:
    service = span["resource"]["attributes"]["service.name"]
    start = _start(span)
    yield f"{before}{span['name']}", service, (start - began) * 1000, (_end(span) - start) * 1000
    children = [each for each in spans if each["parent_id"] == span["context"]["span_id"]]
    for child in children:
        is_last = child is children[-1]
        corner, line = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _rows(child, spans, began, below + corner, below + line)


def _start(span: Span) -> float:
    return datetime.fromisoformat(span["start_time"]).timestamp()


def _end(span: Span) -> float:
    return datetime.fromisoformat(span["end_time"]).timestamp()
