"""``labs/benchmarks/pages``: what a request costs when workers answer it."""
