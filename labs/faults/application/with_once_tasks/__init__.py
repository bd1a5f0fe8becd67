"""The rooms with tasks, whose tasks have ``@once``."""
