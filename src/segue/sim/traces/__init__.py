"""Readers of published recordings, which turn them into requests."""
