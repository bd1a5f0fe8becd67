"""The project around the chat: settings, addresses, and the two ways of serving it."""
