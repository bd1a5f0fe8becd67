"""The load: clients that talk in rooms, and count what comes back. A process of its own."""
