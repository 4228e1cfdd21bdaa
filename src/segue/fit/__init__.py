"""Chooses where a model lies and how large its memory is, from figures alone."""
