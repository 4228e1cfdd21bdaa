"""Readers of recordings: from what others publish to requests."""
