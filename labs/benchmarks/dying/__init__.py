"""How soon a site is back after a death. ``python -m labs.benchmarks.dying`` measures it."""
