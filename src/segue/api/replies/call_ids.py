"""Ids of calls."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_N_ID = 9
"""Mistral's templates refuse ids of calls that have another length."""


def call_id() -> str:
    """A new id for a call."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_N_ID))
