"""The session that a request belongs to, as far as the client says so. A hint, which no reply depends on."""

from collections.abc import Mapping

_HEADERS = ("x-session-id", "x-session-affinity", "x-claude-code-session-id", "session-id", "session_id", "thread-id")
_MOST_CHARS = 200


def session_of(headers: Mapping[str, str]) -> str:
    """The session's name among those of its key, empty if there is none."""
    return next((value[:_MOST_CHARS] for name in _HEADERS if (value := headers.get(name))), "")
