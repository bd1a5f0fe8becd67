"""Rooms with one page each: the worker-style chat of 2016."""
