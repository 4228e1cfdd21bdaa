"""The variables beside messages and tools, completed as llama-server completes them."""

from collections.abc import Mapping
from typing import Any, Final

_PRESERVES: Final = "preserve_reasoning"
_KEPT: Final = ("preserve_thinking",)
_DROPPED: Final = ("clear_thinking", "truncate_history_thinking", "drop_thinking")
"""Names by which templates ask whether the reasoning of earlier turns stays, and whether it goes."""
_EFFORTS: Final = ("reasoning_effort", "reasoning_strength")
"""Names by which templates ask how much the model is to think; the first is the one that clients use."""


def completed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The variables `given`, and those that follow from them or have a default.

    The model is told to think, and earlier reasoning stays unless `preserve_reasoning` is false. What is given under a
    template's own name is left as it is.
    """
    preserves = given.get(_PRESERVES, True)
    found: dict[str, Any] = {"enable_thinking": True, _PRESERVES: preserves}
    if isinstance(preserves, bool):
        found |= dict.fromkeys(_KEPT, preserves) | dict.fromkeys(_DROPPED, not preserves)
    effort = given.get(_EFFORTS[0])
    if effort and isinstance(effort, str):
        found |= dict.fromkeys(_EFFORTS, effort)
    return {**found, **given}
