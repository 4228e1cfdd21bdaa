"""Saved cells, states and logits as arrays for a file: a head in JSON that names the parts, then the bytes of each."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any, TypeVar

import numpy as np

from segue.engine.base import Logits
from segue.engine.positions import Jump, Jumps
from segue.engine.state import Bytes, Cells, Parts, State

_T = TypeVar("_T")


def cells_to_arrays(cells: Cells) -> list[Bytes]:
    """The arrays of some cells; views, except for the head."""
    head = {"start": cells.start, "end": cells.end, "jumps": _jumps(cells.jumps), "parts": list(cells.parts)}
    return [_encoded(head), *cells.parts.values()]


def cells_from_arrays(arrays: Sequence[Bytes]) -> Cells:
    """The cells with these arrays, as views. Raises ValueError if they are not those of cells."""

    def read(head: Mapping[str, Any]) -> Cells:
        return Cells(_parts(head, arrays[1:]), int(head["start"]), int(head["end"]), _jumps_of(head))

    return _decoded(arrays, "cells", read)


def entry_to_arrays(state: State | None, logits: Logits | None) -> list[Bytes]:
    """The arrays of what a checkpoint has outside segments, none if that is nothing; views, except for the head."""
    if state is None and logits is None:
        return []
    head: dict[str, object] = {"has_logits": logits is not None}
    if state is not None:
        head |= {"n_tokens": state.n_tokens, "is_partial": state.is_partial, "jumps": _jumps(state.jumps)}
        head["parts"] = list(state.parts)
    parts = [] if state is None else list(state.parts.values())
    return [_encoded(head), *parts, *([] if logits is None else [logits.view(np.uint8)])]


def entry_from_arrays(arrays: Sequence[Bytes]) -> tuple[State | None, Logits | None]:
    """The state and the logits with these arrays, as views. Raises ValueError if they are not those of a checkpoint."""
    if not arrays:
        return None, None

    def read(head: Mapping[str, Any]) -> tuple[State | None, Logits | None]:
        left = list(arrays[1:])
        logits = left.pop().view(np.float32) if head["has_logits"] else None
        if "parts" not in head and not left:
            return None, logits
        return State(_parts(head, left), int(head["n_tokens"]), bool(head["is_partial"]), _jumps_of(head)), logits

    return _decoded(arrays, "a checkpoint", read)


def _encoded(head: Mapping[str, object]) -> Bytes:
    return np.frombuffer(json.dumps(head, separators=(",", ":")).encode(), np.uint8)


def _decoded(arrays: Sequence[Bytes], what: str, read: Callable[[Mapping[str, Any]], _T]) -> _T:
    try:
        return read(json.loads(arrays[0].tobytes()))
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        sizes = [array.nbytes for array in arrays]
        raise ValueError(f"arrays of {sizes} bytes are not those of {what}") from error


def _parts(head: Mapping[str, Any], arrays: Sequence[Bytes]) -> Parts:
    return {str(name): data for name, data in zip(head["parts"], arrays, strict=True)}


def _jumps(jumps: Jumps) -> list[tuple[int, ...]]:
    return [astuple(jump) for jump in jumps]


def _jumps_of(head: Mapping[str, Any]) -> Jumps:
    return tuple(Jump(*map(int, jump)) for jump in head["jumps"])
