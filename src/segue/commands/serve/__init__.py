"""`segue serve`: flags, checks before loading, and the server's life."""
