"""What can be wrong with a recording."""


class TraceError(Exception):
    """A recording cannot be read."""
