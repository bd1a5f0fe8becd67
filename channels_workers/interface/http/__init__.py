"""The limits of an interface server for HTTP: sizes, rates, and places in Django."""
