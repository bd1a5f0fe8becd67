"""The interface server's side: sockets and HTTP requests, between clients and the channel layer."""
