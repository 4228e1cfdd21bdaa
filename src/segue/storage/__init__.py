"""Checkpoints on disk: files of bytes, an index of them, and a directory of both. Knows nothing of models or trees."""
