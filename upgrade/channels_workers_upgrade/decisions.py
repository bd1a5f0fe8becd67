"""Decides what becomes of a name that is bound to a module of Channels 1.1.8."""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst

from channels_workers_upgrade.bindings import Binding, Use
from channels_workers_upgrade.fates import NEW, OLD, Fate
from channels_workers_upgrade.lookup import Found, find_beginning, new_module


@dataclass
class Decision:
    """What is to be written for a binding.

    *modules*: the module that an import names from now on, where it changes. *kept_names*: it
    binds the old name to the new package. *added*: further modules to import, at the first of
    its imports. *expressions*: what stands in place of uses.
    """

    modules: dict[cst.ImportAlias, str] = field(default_factory=dict)
    keeps_name: set[cst.ImportAlias] = field(default_factory=set)
    added: list[str] = field(default_factory=list)
    expressions: dict[cst.CSTNode, str] = field(default_factory=dict)


def decide(binding: Binding) -> Decision:
    """Return what is to be written for *binding*."""
    if not binding.is_plain:
        return _decide_named(binding)
    return _decide_value(binding) if binding.is_value else _decide_plain(binding)


def _decide_named(binding: Binding) -> Decision:
    """``import channels.sessions as s``, ``from channels import sessions``."""
    decision = Decision()
    target = new_module(binding.module)
    if target and not _kept(binding):
        decision.modules = {imported.alias: target for imported in binding.imports}
    else:
        target = ""
    _spell_out(binding, decision, target, binding.module)
    return decision


def _decide_value(binding: Binding) -> Decision:
    """``import channels``, where the name is a value too: it goes on under that name."""
    decision = Decision()
    if _kept(binding):
        return decision
    for imported in binding.imports:
        if target := new_module(imported.module):
            decision.modules[imported.alias] = target
        if imported.module == OLD:
            decision.keeps_name.add(imported.alias)
    if not decision.keeps_name and decision.modules:
        decision.added.append(f"{NEW} as {OLD}")
    _spell_out(binding, decision, NEW, OLD)
    return decision


def _decide_plain(binding: Binding) -> Decision:
    """``import channels``, ``import channels.sessions``: each use is spelled anew."""
    decision = Decision()
    _spell_out(binding, decision, "", binding.module)
    if not _kept(binding):
        for imported in binding.imports:
            if target := new_module(imported.module):
                decision.modules[imported.alias] = target
    have = {*decision.modules.values(), *decision.added}
    decision.added = [
        module
        for module in decision.added
        if module not in decision.modules.values()
        and not any(other.startswith(f"{module}.") for other in have)
    ]
    return decision


def _spell_out(binding: Binding, decision: Decision, target: str, module: str) -> None:
    """Write the whole new name for each use that *target* in place of *module* does not fit."""
    for use in binding.uses:
        found = _same(use)
        if found is None:
            continue
        if target and found.entry.target == target + found.name.removeprefix(module):
            continue
        rest = f".{found.rest}" if found.rest else ""
        decision.expressions[use.node] = found.entry.target + rest
        home = found.entry.target.rpartition(".")[0]
        if home not in decision.added:
            decision.added.append(home)


def _same(use: Use) -> Found | None:
    found = find_beginning(use.path)
    return found if found and found.entry.fate is Fate.SAME else None


def _kept(binding: Binding) -> bool:
    """Whether a use must stay as it is: of Channels 4, or of what is not here."""
    return any(_same(use) is None for use in binding.uses)
