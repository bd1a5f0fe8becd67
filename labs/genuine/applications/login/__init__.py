"""Accounts, and sockets that know their user."""
