"""The rooms again, with ``@once``: each message is a row of a table of PostgreSQL."""
