"""Blogs whose readers see each post when it is saved."""
