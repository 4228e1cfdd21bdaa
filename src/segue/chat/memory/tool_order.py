"""Restores the order in which tools were first sent: some clients shuffle them between requests."""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from segue.chat.memory.side_store import SideStore

ToolDefinitions = Sequence[dict[str, Any]]
_KIND = "tools"


class ToolOrder:
    """Sets of tools as they were first sent, by their meaning; nothing is found across namespaces. Any thread.

    The order of tools and that of the keys of objects mean nothing. That of a schema's `properties` does: models fill
    them in as they are listed, and grammars demand it. So tools with other orders there are other tools.
    """

    def __init__(self, side_store: SideStore) -> None:
        self._side_store = side_store

    def first(self, namespace: str, tools: ToolDefinitions) -> ToolDefinitions:
        """The same tools as they were first sent; these, from now on, if they never were. They must be of JSON.

        Tools that are nested too deeply stay as they are.
        """
        try:
            canonical = sorted(json.dumps(_without_order(tool), sort_keys=True) for tool in tools)
        except RecursionError:
            return tools
        digest = blake2b("\0".join([namespace, *canonical]).encode(), digest_size=16).digest()
        first = self._side_store.get(_KIND, digest)
        if first is None:
            self._side_store.put(_KIND, digest, json.dumps(tools).encode())
            return tools
        known: ToolDefinitions = json.loads(first)
        return known


def _without_order(value: object) -> object:
    """A value of which sorting the keys leaves all that matters: the names of properties are numbered."""
    if isinstance(value, dict):
        return {key: _without_order(_numbered(inner) if key == "properties" else inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_order(inner) for inner in value]
    return value


def _numbered(properties: object) -> object:
    if not isinstance(properties, dict):
        return properties
    return {f"{i} {name}": schema for i, (name, schema) in enumerate(properties.items())}
