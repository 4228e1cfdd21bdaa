"""Ids of messages and calls."""

import secrets

from segue.api.replies.call_ids import call_id

_CALL = "toolu_"


def message_id() -> str:
    """A new id for a message."""
    return f"msg_{secrets.token_urlsafe(18)}"


def tool_use_id() -> str:
    """A new id for a call."""
    return _CALL + call_id()


def call_id_of(tool_use_id: str) -> str:
    """The id that templates see: without the prefix, so that it has the length that some insist on."""
    return tool_use_id.removeprefix(_CALL) or tool_use_id
