"""Metadata that replaces that of the model's file while it is loaded."""

import ctypes
import re
from collections.abc import Mapping, Sequence

import llama_cpp

Value = bool | int | float | str

_FORMS: dict[type, str] = {bool: r"true|false", int: r"-?\d+", float: r"-?\d+\.\d+(e[+-]?\d+)?"}


def kv_overrides(pairs: Sequence[tuple[str, Value]]) -> "ctypes.Array[ctypes.Structure]":
    """libllama's array of overrides, which ends with one without a key. Keys and texts have up to 127 bytes."""
    array = (llama_cpp.llama_model_kv_override * (len(pairs) + 1))()
    for native, (key, value) in zip(array, pairs, strict=False):
        native.key = key.encode()
        if isinstance(value, bool):
            native.tag, native.value.val_bool = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_BOOL, value
        elif isinstance(value, int):
            native.tag, native.value.val_i64 = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_INT, value
        elif isinstance(value, float):
            native.tag, native.value.val_f64 = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_FLOAT, value
        else:
            native.tag, native.value.val_str = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_STR, value.encode()
    return array  # type: ignore[no-any-return]


def replaced(meta: Mapping[str, str], pairs: Sequence[tuple[str, Value]]) -> dict[str, str]:
    """The metadata of a file, as text, with overrides as libllama takes them: the first of several for a key counts.

    One of another type than the file's is passed over.
    """
    found = dict(meta)
    for key, value in reversed(pairs):
        if key not in meta or type(value) is _type_of(meta[key]):
            found[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def _type_of(text: str) -> type:
    return next((kind for kind, form in _FORMS.items() if re.fullmatch(form, text)), str)
