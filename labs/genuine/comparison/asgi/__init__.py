"""What the interface servers of both engines serve."""
