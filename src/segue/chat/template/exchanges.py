"""Calls of tools and their results, for templates that take them in other forms only, or not at all."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from segue.chat.template.turns import Turn, turn_by

_ID_CHARS = 9


def retold(turn: Turn) -> Turn:
    """A call or a result in plain words, for a template that knows no tools."""
    if turn.role == "tool":
        return _as_user(turn)
    if not turn.calls:
        return turn
    said = [turn.text, *map(_told_call, turn.calls)]
    message = {key: value for key, value in turn.message.items() if key != "tool_calls"}
    return replace(turn, message=message).saying("\n".join(text for text in said if text))


def _told_call(call: object) -> str:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return ""
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f"[call of {function.get('name')}: {text}]"


def _as_user(turn: Turn) -> Turn:
    """A tool's result as a message by the user."""
    name = turn.message.get("name")
    head = f"[result of {name}]" if isinstance(name, str) and name else "[result of a tool]"
    return turn_by("user", f"{head}\n{turn.text}", turn.origin)


def without_strays(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Results whose call is missing become messages by the user."""
    is_answer = False
    for turn in turns:
        is_answer = bool(turn.calls) or (is_answer and turn.role == "tool")
        yield turn if is_answer or turn.role != "tool" else _as_user(turn)


def one_call_each(turns: Sequence[Turn]) -> Iterator[Turn]:
    """Each call of a message that has several becomes a message of its own, with its result behind it."""
    position = 0
    while position < len(turns):
        turn, position = turns[position], position + 1
        if len(turn.calls) < 2:
            yield turn
            continue
        results: list[Turn] = []
        while position < len(turns) and turns[position].role == "tool":
            results.append(turns[position])
            position += 1
        for number, call in enumerate(turn.calls):
            said = turn if number == 0 else turn_by("assistant", "", turn.origin)
            yield replace(said, message={**said.message, "tool_calls": [call]})
            index = _result_of(call, results)
            if index is not None:
                yield replace(results.pop(index), origin=turn.origin)
        yield from results


def _result_of(call: object, results: Sequence[Turn]) -> int | None:
    number = call.get("id") if isinstance(call, Mapping) else None
    return next((i for i, result in enumerate(results) if result.message.get("tool_call_id") == number), None)


def answered(turns: Sequence[Turn]) -> Iterator[Turn]:
    """Results become `tool_responses` of the message with their calls, which what the assistant says next ends.

    What it said beside calls without anything before is a message of its own: there is no other place for it.
    """
    turns, position = list(turns), 0
    while position < len(turns):
        turn, position = turns[position], position + 1
        results: list[Turn] = []
        while turn.calls and position < len(turns) and turns[position].role == "tool":
            results.append(turns[position])
            position += 1
        if not results:
            yield turn
            continue
        if turn.text.strip():
            yield replace(turn, message={"role": turn.role, "content": turn.message["content"]})
        following = turns[position] if position < len(turns) else None
        reply = turn_by(turn.role, "", turn.origin)
        if following is not None and following.role == "assistant" and following.text.strip():
            reply = following
            if following.calls:
                turns[position] = following.saying("")
            else:
                position += 1
        responses = [_response(result, turn.calls, index) for index, result in enumerate(results)]
        message = {**turn.message, "content": reply.message["content"], "tool_responses": responses}
        yield Turn(message, turn.origin, reply.parts)


def _response(result: Turn, calls: Sequence[object], index: int) -> dict[str, Any]:
    """A result, with the name of the function that was called: by the call's id, or by their order."""
    number = result.message.get("tool_call_id")
    asked = [call for call in calls if isinstance(call, Mapping)]
    found = next((call for call in asked if call.get("id") == number), asked[index] if index < len(asked) else {})
    function = found.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    try:
        response = json.loads(result.text)
    except (ValueError, RecursionError):
        response = result.text
    return {"name": name or number or "", "response": response}


def with_ids(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Calls and results without an id get one; results have those of the calls before them, in their order."""
    n_calls = 0
    waiting: list[object] = []
    for turn in turns:
        if turn.calls:
            calls = [_with_id(call, n_calls + i) for i, call in enumerate(turn.calls)]
            n_calls += len(calls)
            waiting = [call["id"] for call in calls if isinstance(call, Mapping)]
            yield replace(turn, message={**turn.message, "tool_calls": calls})
        elif turn.role == "tool":
            number = turn.message.get("tool_call_id") or (waiting[0] if waiting else _id(n_calls))
            waiting = [one for one in waiting if one != number]
            yield replace(turn, message={**turn.message, "tool_call_id": number})
        else:
            yield turn


def _with_id(call: object, number: int) -> object:
    return {**call, "id": call.get("id") or _id(number)} if isinstance(call, Mapping) else call


def _id(number: int) -> str:
    return f"call{number:0{_ID_CHARS - 4}d}"


def with_short_ids(turn: Turn) -> Turn:
    """Ids of nine letters or digits, on which some templates insist."""
    message = dict(turn.message)
    if isinstance(message.get("tool_call_id"), str):
        message["tool_call_id"] = _short_id(message["tool_call_id"])
    if turn.calls:
        message["tool_calls"] = [
            {**call, "id": _short_id(call["id"])}
            if isinstance(call, Mapping) and isinstance(call.get("id"), str)
            else call
            for call in turn.calls
        ]
    return replace(turn, message=message)


def _short_id(number: str) -> str:
    """Nine letters or digits for an id: the same ones for the same id."""
    if len(number) == _ID_CHARS and number.isascii() and number.isalnum():
        return number
    return blake2b(number.encode(), digest_size=8).hexdigest()[:_ID_CHARS]
