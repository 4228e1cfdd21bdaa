"""Keeps responses that clients may refer to later."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segue.api.replies.serialization import JsonObject, encode

Key = tuple[str, str]
_ENTRY_BYTES = 1024
_ITEM_BYTES = 256
"""What the bookkeeping of a response and of each of its items takes, generously."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A response and what was new in its request, as JSON text; what came before is that of `previous`."""

    response: bytes
    inputs: bytes
    previous: str | None
    item_ids: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        return len(self.response) + len(self.inputs) + _ENTRY_BYTES + _ITEM_BYTES * len(self.item_ids)

    @property
    def output(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.response)["output"]
        return items


class ResponseStore:
    """The responses of the last requests, within `limit_bytes`; gone with the process. Thread-safe.

    Each belongs to an owner, and nobody else can tell that it is there. The ones used least recently go first. A
    use of one is a use of all before it, and theirs a later one: so a conversation loses its end before its beginning,
    without which the end is worth nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._response_of_item: dict[Key, str] = {}
        self._lock = threading.Lock()
        self.n_bytes = 0

    def add(self, owner: str, response: JsonObject, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Keep a complete response with the items that its request added. One that is too large is not kept."""
        output, previous = response["output"], response["previous_response_id"]
        assert isinstance(output, list), "a response has output"
        texts = (encode(response), encode(list(inputs)))
        kept = _Kept(*texts, previous if isinstance(previous, str) else None, tuple(item["id"] for item in output))
        with self._lock:
            if kept.n_bytes > self._limit_bytes:
                return
            key = (owner, str(response["id"]))
            self._kept[key] = kept
            self.n_bytes += kept.n_bytes
            self._response_of_item |= {(owner, item_id): key[1] for item_id in kept.item_ids}
            self._chain(key)
            while self.n_bytes > self._limit_bytes:
                self._remove(next(iter(self._kept)))

    def get(self, owner: str, response_id: str) -> JsonObject | None:
        """A response as it was answered."""
        with self._lock:
            kept = self._kept.get((owner, response_id))
        return None if kept is None else json.loads(kept.response)

    def history(self, owner: str, response_id: str) -> list[dict[str, Any]] | None:
        """All items up to and with a response's output; None if it, or one before it, is not there."""
        with self._lock:
            chain = self._chain((owner, response_id))
        if chain is None:
            return None
        return [item for kept in reversed(chain) for item in (*json.loads(kept.inputs), *kept.output)]

    def item(self, owner: str, item_id: str) -> dict[str, Any] | None:
        """An item of a response's output."""
        with self._lock:
            kept = self._kept.get((owner, self._response_of_item.get((owner, item_id), "")))
        return None if kept is None else next(item for item in kept.output if item["id"] == item_id)

    def delete(self, owner: str, response_id: str) -> bool:
        """Forget a response; those after it cannot be continued then. False if it is not there."""
        with self._lock:
            is_there = (owner, response_id) in self._kept
            if is_there:
                self._remove((owner, response_id))
        return is_there

    def check_integrity(self) -> None:
        """Assert that the counts agree with what is kept."""
        with self._lock:
            assert self.n_bytes == sum(kept.n_bytes for kept in self._kept.values()) <= self._limit_bytes
            expected = {(owner, item): id_ for (owner, id_), kept in self._kept.items() for item in kept.item_ids}
            assert self._response_of_item == expected, "items of responses that are gone"

    def _chain(self, key: Key) -> list[_Kept] | None:
        """Use a response and all before it, the last first; None if one is missing."""
        chain: list[_Kept] = []
        response_id: str | None = key[1]
        while response_id is not None:
            kept = self._kept.get((key[0], response_id))
            if kept is None:
                return None
            self._kept.move_to_end((key[0], response_id))
            chain.append(kept)
            response_id = kept.previous
        return chain

    def _remove(self, key: Key) -> None:
        kept = self._kept.pop(key)
        self.n_bytes -= kept.n_bytes
        for item_id in kept.item_ids:
            del self._response_of_item[(key[0], item_id)]
