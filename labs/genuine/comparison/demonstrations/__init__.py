"""How each difference on purpose is shown."""
