"""The room of the soak: people who talk, and visitors who use sessions, groups and delays."""
