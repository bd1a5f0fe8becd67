"""Accounts: optional. Who has one speaks under its name, which nobody else can take."""
