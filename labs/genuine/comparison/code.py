"""Conversations as Python code, to paste into a module of ``conversations``."""

from __future__ import annotations

from dataclasses import MISSING, fields

from labs.genuine.comparison.steps import Conversation, Step


def as_code(conversation: Conversation) -> str:
    """Return *conversation* as a tuple of calls."""
    return "\n".join(["(", *(f"    {as_call(step)}," for step in conversation), ")"])


def as_call(step: Step) -> str:
    """Return *step* as the call that creates it, without default arguments."""
    arguments = []
    for field in fields(step):
        value = getattr(step, field.name)
        default = field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        if default is MISSING:
            arguments.append(repr(value))
        elif value != default:
            arguments.append(f"{field.name}={value!r}")
    return f"{type(step).__name__}({', '.join(arguments)})"
