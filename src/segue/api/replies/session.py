"""Reads a client's session from the headers. It is a hint: no reply depends on it."""

from collections.abc import Mapping

_HEADERS = ("x-session-id", "x-session-affinity", "x-claude-code-session-id", "session-id", "session_id", "thread-id")
_MOST_CHARS = 200


def session_of(headers: Mapping[str, str]) -> str:
    """The session's name among those of its key, empty if there is none."""
    return next((value[:_MOST_CHARS] for name in _HEADERS if (value := headers.get(name))), "")
