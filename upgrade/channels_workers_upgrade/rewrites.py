"""Plans the rewrite of a name that is bound to a module of Channels 1.1.8."""

from __future__ import annotations

import ast

from channels_workers_upgrade.bindings import Binding, Use
from channels_workers_upgrade.lookup import Found, find_beginning, new_module
from channels_workers_upgrade.renames import NEW, OLD


class Rewrite:
    """The new imports and uses of a binding.

    *modules*: the new module of each import that changes. *keeps_name*: the imports that bind the
    old name to the new package. *added*: more modules to import, after the first import.
    *expressions*: the new expression of each use.
    """

    def __init__(self) -> None:
        self.modules: dict[ast.alias, str] = {}
        self.keeps_name: set[ast.alias] = set()
        self.added: list[str] = []
        self.expressions: dict[ast.Attribute, str] = {}


def plan(binding: Binding) -> Rewrite:
    """Return the rewrite of *binding*."""
    if not binding.is_plain:
        return _plan_named(binding)
    return _plan_value(binding) if binding.is_value else _plan_plain(binding)


def _plan_named(binding: Binding) -> Rewrite:
    """``import channels.sessions as s``, ``from channels import sessions``."""
    rewrite = Rewrite()
    target = new_module(binding.module)
    if target and not _kept(binding):
        rewrite.modules = {imported.alias: target for imported in binding.imports}
    else:
        target = ""
    _spell_out(binding, rewrite, target, binding.module)
    return rewrite


def _plan_value(binding: Binding) -> Rewrite:
    """``import channels``, also used as a value: keep the name, bound to the new package."""
    rewrite = Rewrite()
    if _kept(binding):
        return rewrite
    for imported in binding.imports:
        if target := new_module(imported.module):
            rewrite.modules[imported.alias] = target
        if imported.module == OLD:
            rewrite.keeps_name.add(imported.alias)
    if not rewrite.keeps_name and rewrite.modules:
        rewrite.added.append(f"{NEW} as {OLD}")
    _spell_out(binding, rewrite, NEW, OLD)
    return rewrite


def _plan_plain(binding: Binding) -> Rewrite:
    """``import channels``, ``import channels.sessions``: write every use with its new path."""
    rewrite = Rewrite()
    _spell_out(binding, rewrite, "", binding.module)
    if not _kept(binding):
        for imported in binding.imports:
            if target := new_module(imported.module):
                rewrite.modules[imported.alias] = target
    have = {*rewrite.modules.values(), *rewrite.added}
    rewrite.added = [
        module
        for module in rewrite.added
        if module not in rewrite.modules.values()
        and not any(other.startswith(f"{module}.") for other in have)
    ]
    return rewrite


def _spell_out(binding: Binding, rewrite: Rewrite, target: str, module: str) -> None:
    """Write the full new name of each use that replacing *module* by *target* would not fix."""
    for use in binding.uses:
        found = _same(use)
        if found is None:
            continue
        if target and found.rename.target == target + found.name.removeprefix(module):
            continue
        rest = f".{found.rest}" if found.rest else ""
        rewrite.expressions[use.node] = found.rename.target + rest
        home = found.rename.target.rpartition(".")[0]
        if home not in rewrite.added:
            rewrite.added.append(home)


def _same(use: Use) -> Found | None:
    found = find_beginning(use.path)
    return found if found and found.rename.is_same else None


def _kept(binding: Binding) -> bool:
    """Whether a use must stay: it is of Channels 4, or the engine lacks the name."""
    return any(_same(use) is None for use in binding.uses)
