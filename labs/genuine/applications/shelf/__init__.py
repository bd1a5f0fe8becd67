"""Books on shelves. Sockets see and make changes by data binding."""
