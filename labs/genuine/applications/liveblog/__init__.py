"""Blogs whose readers see each post as it is saved."""
