"""Parses values that a model wrote as JSON or as plain text."""

import ast
import json
import math
import re
from collections.abc import Iterable
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_MAX_LITERAL_CHARS = 10_000
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def from_text(text: str) -> Any:
    """The value if `text` is JSON, otherwise the text itself."""
    try:
        return from_json(text)
    except ValueError:
        return text


def from_json(text: str) -> Any:
    """The value of JSON text whose strings may hold line breaks. Raises `ValueError` for any other text.

    A key may occur twice in an object only with the same value.
    """
    try:
        return json.loads(
            text, strict=False, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=unambiguous
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def to_json(value: Any) -> str:
    """The JSON text of a value, with U+FFFD for half a surrogate pair. Raises `ValueError` if there is none."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (RecursionError, TypeError) as error:
        raise ValueError(str(error)) from None
    return _SURROGATE.sub("\ufffd", text)


def literal(text: str) -> Any:
    """The list or object if `text` is a Python literal, otherwise the text."""
    if text.strip()[:1] not in ("[", "{") or len(text) > _MAX_LITERAL_CHARS or "\\" in text:
        return text
    try:
        value = ast.literal_eval(text.strip())
        to_json(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return text
    return value


def is_of(value: Any, kind: str) -> bool:
    """Whether a value is of the JSON Schema type `kind`."""
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(kind, ()))


def unambiguous(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these members. Raises `ValueError` if a key has several values."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and (found[key] != value or type(found[key]) is not type(value)):
            raise ValueError(f"{key} has several values")
        found[key] = value
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value
