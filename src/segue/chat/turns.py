"""Messages in a sequence that the template takes, whatever sequence a client has them in.

An agent's history comes back with every turn, so what a template refuses would end the session. Each rule looks at
what came before, so a prompt stays as it was while its conversation grows; what a template takes is left alone.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from segue.chat.order import Message, Order

SILENCE = "..."
"""Stands for the assistant where it said nothing and the template wants something."""
BETWEEN = "\n\n"
"""Separates messages that become one."""
_TAG = "<|channel|>"
_ID_CHARS = 9


@dataclass(frozen=True, slots=True)
class Turn:
    """A message, its content a text, and the client's index of it, or of the one that it was made for."""

    message: Message
    origin: int

    @property
    def role(self) -> str:
        """Who says it."""
        return str(self.message.get("role"))

    @property
    def text(self) -> str:
        """Its content."""
        return str(self.message.get("content") or "")

    @property
    def calls(self) -> list[Any]:
        """The calls in it, as the client wrote them."""
        calls = self.message.get("tool_calls")
        return calls if isinstance(calls, list) else []

    def by(self, role: str) -> "Turn":
        """The same, said by another."""
        return replace(self, message={**self.message, "role": role})

    def saying(self, text: str) -> "Turn":
        """The same with another text."""
        return replace(self, message={**self.message, "content": text})


def arranged(turns: Sequence[Turn], order: Order, *, needs_user: bool, n_told: int) -> list[Turn]:
    """The turns behind the system prompt in a sequence that a template of this `order` takes.

    `needs_user`: they must begin with the user. `n_told` are all messages of the client.
    """
    found = list(turns)
    if not order.takes_results:
        found = [_retold(turn) for turn in found]
    elif not order.takes_stray_results:
        found = list(_without_strays(found))
    if not order.takes_several_calls:
        found = list(_one_call_each(found))
    if needs_user and (not found or found[0].role != "user"):
        found.insert(0, _turn("user", "", found[0].origin if found else n_told - 1))
    if not order.takes_any_order:
        found = _alternating(found)
    if not order.takes_silence:
        found = [turn.saying(SILENCE) if _is_silent(turn) else turn for turn in found]
    if not order.takes_channel_tags:
        found = [_without_tags(turn) for turn in found]
    if not order.takes_any_id:
        found = [_with_short_ids(turn) for turn in found]
    return found


def _turn(role: str, text: str, origin: int) -> Turn:
    return Turn({"role": role, "content": text}, origin)


def _retold(turn: Turn) -> Turn:
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
    """What a tool said, told by the user."""
    name = turn.message.get("name")
    head = f"[result of {name}]" if isinstance(name, str) and name else "[result of a tool]"
    return _turn("user", f"{head}\n{turn.text}", turn.origin)


def _without_strays(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Results whose call is not there are told by the user."""
    is_answer = False
    for turn in turns:
        is_answer = bool(turn.calls) or (is_answer and turn.role == "tool")
        yield turn if is_answer or turn.role != "tool" else _as_user(turn)


def _one_call_each(turns: Sequence[Turn]) -> Iterator[Turn]:
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
            text = turn.text if number == 0 else ""
            yield replace(turn, message={**turn.message, "content": text, "tool_calls": [call]})
            index = _result_of(call, results)
            if index is not None:
                yield Turn(results.pop(index).message, turn.origin)
        yield from results


def _result_of(call: object, results: Sequence[Turn]) -> int | None:
    number = call.get("id") if isinstance(call, Mapping) else None
    return next((i for i, result in enumerate(results) if result.message.get("tool_call_id") == number), None)


def _alternating(turns: Iterable[Turn]) -> list[Turn]:
    """User and assistant by turns; calls and their results, which stand between two turns, do not count.

    Neighbours become one message. Where a call or a result lies between them, the other side says nothing there.
    """
    found: list[Turn] = []
    counted = "assistant"
    for turn in turns:
        before = found[-1] if found else None
        if turn.calls and before is not None and before.role == "assistant" and not before.calls:
            found[-1] = _merged(before, turn)
            counted = "user"
            continue
        if turn.role not in ("user", "assistant") or turn.calls:
            found.append(turn)
            continue
        if turn.role == counted:
            if before is not None and before.role == turn.role and not before.calls:
                found[-1] = _merged(before, turn)
                continue
            found.append(
                _turn("user", "", turn.origin) if counted == "assistant" else _turn("assistant", SILENCE, turn.origin)
            )
        counted = turn.role
        found.append(turn)
    return found


def _merged(first: Turn, second: Turn) -> Turn:
    """Two messages by one role as one."""
    text = BETWEEN.join(turn.text for turn in (first, second) if turn.text)
    return Turn({**first.message, **second.message, "content": text}, first.origin)


def _is_silent(turn: Turn) -> bool:
    return turn.role == "assistant" and not turn.calls and not turn.text.strip()


def _without_tags(turn: Turn) -> Turn:
    """What the assistant said without tags that can only come from a reply gone wrong."""
    if turn.role != "assistant":
        return turn
    message = {k: v.replace(_TAG, "") if isinstance(v, str) else v for k, v in turn.message.items()}
    return replace(turn, message=message)


def _with_short_ids(turn: Turn) -> Turn:
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
