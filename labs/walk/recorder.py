"""Records calls of the engine's functions with `sys.setprofile`."""

from __future__ import annotations

import dis
import inspect
import sys
import threading
from functools import cache
from itertools import count
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

#: Python 3.12 inlines comprehensions, so they are not counted in 3.11 either.
NO_FUNCTIONS = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<module>"))

SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


class Function(NamedTuple):
    """A function of the engine. *file* is its path in the package."""

    file: str
    name: str


class Call(NamedTuple):
    """One call in *thread*. *callers* are the engine's functions on its stack, outermost first."""

    number: int
    thread: str
    function: Function
    callers: tuple[Function, ...]


class Recorder:
    """Records calls of functions below *root*, in threads that start after :meth:`install`.

    A resumed coroutine is not counted again. Only threads whose names begin with one of *threads*
    are recorded, because the others work independently of frames.
    """

    def __init__(self, root: Path, threads: tuple[str, ...]) -> None:
        self.calls: list[Call] = []
        self.is_on = False
        self._root = f"{root}/"
        self._threads = threads
        self._functions: dict[CodeType, Function | None] = {}
        self._numbers = count()

    def install(self) -> None:
        """Profile this thread and the threads that it starts."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def uninstall(self) -> None:
        """Stop profiling. Running threads record nothing more."""
        self.is_on = False
        threading.setprofile(None)
        sys.setprofile(None)

    def start(self) -> None:
        """Start an empty recording."""
        self.calls = []
        self.is_on = True

    def stop(self) -> list[Call]:
        """Stop the recording, and return its calls in order."""
        self.is_on = False
        return sorted(self.calls)

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self.is_on or event != "call" or _goes_on(frame):
            return
        function = self._function(frame.f_code)
        thread = threading.current_thread().name
        if function is not None and thread.startswith(self._threads):
            callers = tuple(reversed(self._callers(frame.f_back)))
            self.calls.append(Call(next(self._numbers), thread, function, callers))

    def _callers(self, frame: FrameType | None) -> list[Function]:
        found = []
        while frame is not None:
            if function := self._function(frame.f_code):
                found.append(function)
            frame = frame.f_back
        return found

    def _function(self, code: CodeType) -> Function | None:
        if code not in self._functions:
            self._functions[code] = self._described(code)
        return self._functions[code]

    def _described(self, code: CodeType) -> Function | None:
        if not code.co_filename.startswith(self._root) or code.co_name in NO_FUNCTIONS:
            return None
        name = code.co_qualname.replace("<locals>.", "")
        return Function(code.co_filename.removeprefix(self._root), name)


def _goes_on(frame: FrameType) -> bool:
    """Return whether *frame* is a generator or coroutine that resumes."""
    is_function = not frame.f_code.co_flags & SUSPENDABLE
    return not is_function and frame.f_lasti > _beginning(frame.f_code)


@cache
def _beginning(code: CodeType) -> int:
    """Return the offset of the body of a generator or coroutine."""
    resumes = (each.offset for each in dis.get_instructions(code) if each.opname == "RESUME")
    return next(resumes, -1)
