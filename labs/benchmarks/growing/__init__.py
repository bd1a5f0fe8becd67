"""What the room on channels_workers costs as it grows; ``labs/benchmarks/growth`` runs it."""
