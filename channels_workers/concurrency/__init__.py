"""Threads, futures and forks: what Python leaves to those who combine them."""
