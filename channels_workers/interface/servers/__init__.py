"""The private parts of server programs that are used here, each in one module."""
