"""A room under steady talk and churn for long: memory and latency. ``labs/benchmarks/soak``."""
