"""The Django project under load: rooms, and consumers that record their runs."""
