"""Turns text into tokens, and each text between two special tokens only once."""
