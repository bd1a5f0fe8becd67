"""The cost of the room on channels_workers as it grows. ``labs/benchmarks/growth`` runs it."""
