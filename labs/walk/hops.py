"""The hops of a frame, and the functions that each of them begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from labs.walk.recorder import Call, Function

#: Each hop begins with the functions that its pattern matches, and contains the calls below them.
#: The innermost match on the stack counts. When you rename such a function, adapt its pattern.
HOPS = {
    "socket": r"interface/socket\.py:Socket\.receive",
    "publish": r"layers/.*\.start_publish|layers/redis/writer\.py:Writer\._written",
    "pull": r"worker/thread\.py:Worker\._(next|pull)|layers/.*\.(pull|_readable|call_and_pull)",
    "dispatch": r"worker/thread\.py:Worker\._handle|worker/dispatch\.py:dispatch",
    "consumer": r"decorators\.py:.*\.inner",
    "commit": r"worker/thread\.py:Worker\._(finish|commit\w*)|layers/.*\._?commit\w*",
    "inbox": r"layers/(server\.py:Server\.process|redis/(inbox_)?reader\.py:.*|memory/.*\.drain)",
    "frames": r"interface/socket\.py:Socket\.deliver|interface/outgoing\.py:.*",
}

_PATTERNS = {hop: re.compile(pattern) for hop, pattern in HOPS.items()}


def by_hop(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """Sort *calls* into their hops."""
    found: dict[str, list[Call]] = {hop: [] for hop in HOPS}
    hops: dict[int, str] = {}
    for thread in {call.thread for call in calls}:
        hops |= _hops_in([call for call in calls if call.thread == thread])
    for call in calls:
        found[hops[call.number]].append(call)
    return found


def _hops_in(calls: Sequence[Call]) -> dict[int, str]:
    """Return the hop of each call of one thread.

    A call outside all hops counts to the next hop, the last calls count to the previous one.
    """
    own = [_own_hop((*call.callers, call.function)) for call in calls]
    last = next((hop for hop in reversed(own) if hop), next(iter(HOPS)))
    hops = {}
    for call, hop in zip(reversed(calls), reversed(own), strict=True):
        last = hop or last
        hops[call.number] = last
    return hops


def _own_hop(stack: Sequence[Function]) -> str | None:
    """Return the hop of the innermost function that begins one."""
    named = (hop_begun_by(function) for function in reversed(stack))
    return next(filter(None, named), None)


def hop_begun_by(function: Function) -> str | None:
    """Return the hop that begins with *function*, or None."""
    text = f"{function.file}:{function.name}"
    return next((hop for hop, pattern in _PATTERNS.items() if pattern.fullmatch(text)), None)


def files(calls: Iterable[Call]) -> set[str]:
    """Return the files of the functions that were called."""
    return {call.function.file for call in calls}


def functions(calls: Iterable[Call]) -> set[Function]:
    """Return the functions that were called."""
    return {call.function for call in calls}
