"""The entries of the cache by namespace, the segments that hold their cells, and the entries in use."""
