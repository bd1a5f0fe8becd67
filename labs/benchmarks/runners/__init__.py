"""The same tasks on this package, Celery and dramatiq, for ``labs/benchmarks/tasks``.

Modules here run in the processes that are measured. Those of Celery and dramatiq run with the
packages of ``requirements.txt``, in an environment of their own.
"""
