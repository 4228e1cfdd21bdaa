"""Errors of fitting."""


class FitError(Exception):
    """Something that was asked for does not fit; the message says by how much, and what to do."""
