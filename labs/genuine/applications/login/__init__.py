"""Accounts, and sockets that know who is behind them."""
