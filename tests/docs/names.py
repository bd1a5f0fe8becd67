"""The format of docs/reference/channels-1-names.md for names of Channels 1.1.8."""

from channels_workers_upgrade.renames import Row


def written_row(row: Row) -> list[str]:
    """The cells of a row: the names, their status, and their new place or the replacement."""
    first, *others = row.names
    names = [f"`{row.module}.{first}`", *(f"`{name}`" for name in others)]
    place = f"`{row.here}{f'.{row.called}' if row.called else ''}`" if row.here else ""
    return [", ".join(names), row.status.value, ": ".join(filter(None, (place, row.remark)))]
