"""Optional accounts. An account reserves its name."""
