"""Threads, futures and forks, where they are combined."""
