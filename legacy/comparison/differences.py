"""All differences on purpose."""

from legacy.comparison.difference import OnPurpose

DIFFERENCES: tuple[OnPurpose, ...] = ()
