"""What measures and attacks the engine and the chat; nothing of it is in the wheel."""
