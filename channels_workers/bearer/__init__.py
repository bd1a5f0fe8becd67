"""Bearer tokens below consumers: their forms, their settings, and how the log keeps them out."""
