"""The steps of the rehearsal. Each module holds one, or a few related ones."""
