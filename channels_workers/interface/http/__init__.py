"""What an interface server allows HTTP clients: sizes, rates, and places in Django."""
