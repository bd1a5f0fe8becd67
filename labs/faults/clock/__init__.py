"""A wall clock that jumps when told to, for a process that is not of Python."""
