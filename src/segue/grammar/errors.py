"""The errors of a constraint."""

_N_LONGEST = 300


class ConstraintError(Exception):
    """No reply can follow this, or too much would be needed to see to it; the message says where and why."""


def plain(message: str) -> str:
    """llguidance's message, without its excerpts of the grammar and its state; an assertion of it is a limit."""
    message = message.split("\n<")[0].split("\n   1 |")[0].strip()
    return "it is too large" if message.startswith("panic") else message[:_N_LONGEST]
