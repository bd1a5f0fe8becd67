"""A wall clock that jumps on command, for processes that are not Python."""
