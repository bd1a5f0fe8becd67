"""The tasks on this package, as docs/how-to/django-tasks.md teaches."""
