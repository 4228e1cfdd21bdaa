"""Checkpoints on disk: files of bytes, their index, and the directory of both. Knows nothing of models or trees."""
