"""Digests of messages that ignore how a client spells and spaces them."""

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from segue.chat.content import text_of
from segue.chat.reply.whole import Whole

Messages = Sequence[Mapping[str, Any]]


def meaning(reply: Whole) -> object:
    """The meaning of a reply, to be compared."""
    return (
        reply.content.strip(),
        reply.reasoning.strip(),
        [(name, _canonical(arguments)) for name, arguments in reply.calls],
    )


def _canonical(arguments: object) -> str:
    """The arguments in one form of JSON; unchanged if they are no JSON, or nested too deeply to be read."""
    try:
        value = (json.loads(arguments) if arguments.strip() else {}) if isinstance(arguments, str) else arguments
        return json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):
        return str(arguments)


def digests(namespace: str, messages: Messages) -> list[bytes]:
    """Of the conversation up to and with each message. Ids of calls are not in it: clients change them."""
    digest, found = blake2b(namespace.encode(), digest_size=16).digest(), []
    for message in messages:
        digest = extended(digest, message)
        found.append(digest)
    return found


def extended(digest: bytes, message: Mapping[str, Any]) -> bytes:
    """The digest of a conversation with one message more."""
    text = text_of(message.get("content")).strip()
    calls = [call.get("function") for call in message.get("tool_calls") or () if isinstance(call, Mapping)]
    named = [(one.get("name"), _canonical(one.get("arguments"))) for one in calls if isinstance(one, Mapping)]
    canonical = json.dumps([message.get("role"), text, named], sort_keys=True, ensure_ascii=True)
    return blake2b(digest + canonical.encode(), digest_size=16).digest()
