"""Compares two responses in structure: status, fields and their types, and those values that say what happened."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

# What these fields say must be the same; of all others, only the type.
_MEANT: Final = frozenset(
    {
        *("finish_reason", "stop_type", "stop_reason", "stopping_word", "truncated", "stop"),
        *("type", "object", "owned_by", "role", "index", "name", "status", "success"),
        *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"),
        *(
            "tokens_evaluated",
            "tokens_predicted",
            "predicted_n",
            "n_predict",
            "total_slots",
            "n_prompt_tokens",
            "n_ctx",
        ),
    }
)
_LENGTHS: Final = frozenset({"tokens_predicted", "predicted_n", "stop_type"})
# Segue says more here: what became of a prompt's tokens.
_OURS: Final = frozenset({"cache"})
_N_SHOWN: Final = 60


def differences(segue: httpx.Response, llama: httpx.Response, *, is_free: bool = False) -> list[str]:
    """What differs, one line each, beginning with the place; not the length of a reply that `is_free`."""
    if segue.status_code != llama.status_code:
        return [f"status: {segue.status_code} instead of {llama.status_code}: {segue.text[:200]}"]
    kinds = [response.headers.get("content-type", "").partition(";")[0] for response in (segue, llama)]
    if kinds[0] != kinds[1]:
        return [f"content-type: {kinds[0]} instead of {kinds[1]}"]
    if kinds[0] == "text/event-stream":
        return [*_of_streams(segue.text, llama.text)]
    if kinds[0] == "application/json":
        found = _of_values(segue.json(), llama.json(), "")
        return [line for line in found if not (is_free and line.partition(":")[0].rpartition("/")[2] in _LENGTHS)]
    return []


def _of_streams(segue: str, llama: str) -> Iterator[str]:
    """Events of one kind that follow one another count as one: how a text is cut is no matter."""
    ours, theirs = (_runs(text) for text in (segue, llama))
    kinds = [[kind for kind, _ in runs] for runs in (ours, theirs)]
    if kinds[0] != kinds[1]:
        yield f"events: {kinds[0]} instead of {kinds[1]}"
        return
    for i, ((_, one), (_, other)) in enumerate(zip(ours, theirs, strict=True)):
        yield from _of_values(one, other, f"{i}")


def _runs(text: str) -> list[tuple[str, Any]]:
    runs: list[tuple[str, Any]] = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        if not lines:
            continue
        data = lines[-1].removeprefix("data: ")
        value = data if data == "[DONE]" else json.loads(data)
        named = [line for line in lines if line.startswith("event: ")]
        kind = " ".join([*named, _kind(value)])
        if not runs or runs[-1][0] != kind:
            runs.append((kind, value))
    return runs


def _kind(event: Any) -> str:
    """What sort of event it is: the fields of what changes from one to the next."""
    if not isinstance(event, dict):
        return str(event)
    choices = event.get("choices")
    if choices:
        choice = choices[0]
        return f"{sorted(choice.get('delta', {'text': 0}))} {choice['finish_reason']}"
    if "stop" in event:
        return f"stop {event['stop']}"
    return str(event.get("type") or sorted(event.keys() - _OURS))


def _of_values(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    name = place.rpartition("/")[2]
    if _type(ours) != _type(theirs):
        yield f"{place}: {_shown(ours)} instead of {_shown(theirs)}"
    elif isinstance(theirs, dict):
        for key in theirs.keys() - ours.keys():
            yield f"{place}/{key}: missing, {_shown(theirs[key])}"
        for key in ours.keys() - theirs.keys() - _OURS:
            yield f"{place}/{key}: not there, but {_shown(ours[key])}"
        for key in theirs.keys() & ours.keys():
            yield from _of_values(ours[key], theirs[key], f"{place}/{key}")
    elif isinstance(theirs, list):
        if bool(ours) != bool(theirs) or (
            any(isinstance(item, Mapping) for item in theirs) and len(ours) != len(theirs)
        ):
            yield f"{place}: {len(ours)} items instead of {len(theirs)}"
        for i, (one, other) in enumerate(zip(ours[:3], theirs[:3], strict=False)):
            yield from _of_values(one, other, f"{place}/{i}")
    elif name in _MEANT and ours != theirs:
        yield f"{place}: {_shown(ours)} instead of {_shown(theirs)}"


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _shown(value: Any) -> str:
    return json.dumps(value)[:_N_SHOWN]
