"""The room on channels_workers that stores each message in a row: with and without ``@once``."""
