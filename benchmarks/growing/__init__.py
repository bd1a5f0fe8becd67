"""What the room on channels_workers costs as it grows; ``benchmarks/growth`` runs it."""
