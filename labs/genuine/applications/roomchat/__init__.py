"""Rooms of one page each: the worker-style chat of 2016."""
