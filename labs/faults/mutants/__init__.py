"""Engines that are broken on purpose, to show that the table notices."""
