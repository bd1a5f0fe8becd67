"""Test coverage per package, with a floor for each. scripts/coverage runs it."""
