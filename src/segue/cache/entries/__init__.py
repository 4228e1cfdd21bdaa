"""What is cached: entries by namespace, the segments that hold their cells, and which are in use."""
