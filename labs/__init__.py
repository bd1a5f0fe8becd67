"""Tools that measure and attack the engine and the chat. The wheel holds none of them."""
