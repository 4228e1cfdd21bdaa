"""The error of an unreadable recording."""


class TraceError(Exception):
    """A recording cannot be read."""
