"""``labs/benchmarks/tasks``: tasks on this package, Celery and dramatiq."""
