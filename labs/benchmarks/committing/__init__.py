"""``labs/benchmarks/once``: what ``@once`` costs."""
