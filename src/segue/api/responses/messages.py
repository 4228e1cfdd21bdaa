"""From items to the messages of a chat.

What the assistant did between two turns of others becomes one message, as the model wrote it: reasoning, text and
calls. What stands before the first turn becomes one system prompt, for many templates take no second one, and many
take none behind other messages: there the user says it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from segue.api.intake.custom_calls import INPUT
from segue.api.responses.content import text_of
from segue.api.responses.reasoning import reasoning_of
from segue.api.responses.tools import function_name
from segue.chat.content import text_of as text_in
from segue.serving.errors import invalid

Item = Mapping[str, Any]

_INSTRUCTING = ("system", "developer")
_ROLES = (*_INSTRUCTING, "user", "assistant")
_ACTIONS = {"local_shell_call": "action", "shell_call": "action", "apply_patch_call": "operation"}
"""Calls of OpenAI's own tools that a client runs, and the field that says what to do."""
_OUTPUT = "_output"


def messages_of(
    items: Sequence[Item], instructions: str | None, *, takes_late_system: bool, n_before: int = 0
) -> list[dict[str, Any]]:
    """The chat that items tell. The first `n_before` are of former requests; errors count from behind them.

    `takes_late_system`: the template writes a system message where it stands.

    Items of kinds that are not known are passed over, since the model never saw their contents. Raises ApiError for an
    item that only a faulty client sends.
    """
    chat = _Chat(instructions, takes_late_system=takes_late_system)
    for i, item in enumerate(items):
        chat.add(item, f"input.{i - n_before}")
    return chat.finished()


class _Chat:
    def __init__(self, instructions: str | None, *, takes_late_system: bool) -> None:
        self._messages: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
        self._takes_late_system = takes_late_system
        self._is_after_text = False

    def finished(self) -> list[dict[str, Any]]:
        if not self._messages:
            raise invalid("Field 'input': it must not be empty")
        return self._messages

    def add(self, item: Item, where: str) -> None:
        kind = item.get("type", "message" if "role" in item else None)
        if not isinstance(kind, str):
            raise invalid(f"Field '{where}.type': it must be a text")
        if kind == "message":
            self._add_message(item, where)
        elif kind == "reasoning":
            self._add_reasoning(reasoning_of(item))
        elif kind == "function_call":
            name = function_name(_text(item, "name", where), item.get("namespace"))
            self._add_call(item, name, _text(item, "arguments", where), where)
        elif kind == "custom_tool_call":
            name = function_name(_text(item, "name", where), item.get("namespace"))
            self._add_call(item, name, _json({INPUT: _text(item, "input", where)}), where)
        elif kind in _ACTIONS:
            self._add_call(item, kind.removesuffix("_call"), _json(item.get(_ACTIONS[kind])), where)
        elif _is_output(kind):
            self._add_output(item, where)
        self._is_after_text = kind == "message"

    def _add_message(self, item: Item, where: str) -> None:
        role, text = item.get("role"), text_of(item.get("content"), f"{where}.content")
        if role not in _ROLES:
            raise invalid(f"Field '{where}.role': it must be one of {', '.join(_ROLES)}")
        if role == "assistant":
            said = self._said()
            # Texts around a call are one text with a gap; messages next to each other were two.
            joint = "\n" if said["content"] and self._is_after_text else ""
            said["content"] = (said["content"] or "") + joint + text
        elif role in _INSTRUCTING and self._messages:
            self._add_instruction(role, text)
        else:
            self._messages.append({"role": role, "content": text})

    def _add_instruction(self, role: str, text: str) -> None:
        """Add an instruction that stands behind other messages."""
        if len(self._messages) == 1 and self._messages[0]["role"] in _INSTRUCTING:
            self._messages[0]["content"] += f"\n\n{text}"
        else:
            self._messages.append({"role": role if self._takes_late_system else "user", "content": text})

    def _add_reasoning(self, text: str) -> None:
        if text:
            said = self._said()
            before = said.get("reasoning_content")
            said["reasoning_content"] = f"{before}\n{text}" if before else text

    def _add_call(self, item: Item, name: str, arguments: str, where: str) -> None:
        function = {"name": name, "arguments": arguments}
        call = {"id": _text(item, "call_id", where), "type": "function", "function": function}
        self._said().setdefault("tool_calls", []).append(call)

    def _add_output(self, item: Item, where: str) -> None:
        call_id = _text(item, "call_id" if "call_id" in item else "id", where)
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": text_in(item.get("output"))})

    def _said(self) -> dict[str, Any]:
        """The assistant's message at the end of the chat so far."""
        if not (self._messages and self._messages[-1]["role"] == "assistant"):
            self._messages.append({"role": "assistant", "content": None})
        return self._messages[-1]


def _is_output(kind: str) -> bool:
    call = kind.removesuffix(_OUTPUT)
    return kind.endswith(_OUTPUT) and (call in _ACTIONS or call in ("function_call", "custom_tool_call"))


def _text(item: Item, field: str, where: str) -> str:
    value = item.get(field)
    if not isinstance(value, str):
        raise invalid(f"Field '{where}.{field}': it must be a text")
    return value


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
