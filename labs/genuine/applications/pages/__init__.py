"""Pages answered by workers: consumers of http.request, and Django's views."""
