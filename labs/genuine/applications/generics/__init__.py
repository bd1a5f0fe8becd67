"""Class-based consumers."""
