"""What the families' templates write, message by message, in plain Python: where each message really ends."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from segue.chat.rendered_prompt import PREAMBLE

Message = dict[str, Any]

NOWHERE: Final = -2
"""Stands for the index of text behind which no message ends."""


class Piece(NamedTuple):
    """Text up to the end of the message of index `owner`, `PREAMBLE` for what no message wrote."""

    owner: int
    text: str


Writer = Callable[[Sequence[Message], Sequence[Message]], list[Piece]]
"""The pieces of messages and tools, without the generation suffix."""


def chatml(messages: Sequence[Message], tools: Sequence[Message]) -> list[Piece]:
    """All thoughts stay where they were."""
    return _chatml(messages, tools, first_thought=0)


def qwen(messages: Sequence[Message], tools: Sequence[Message]) -> list[Piece]:
    """Thoughts before the last question are gone."""
    last = max(i for i, message in enumerate(messages) if message["role"] == "user")
    return _chatml(messages, tools, first_thought=last + 1)


def _chatml(messages: Sequence[Message], tools: Sequence[Message], first_thought: int) -> list[Piece]:
    pieces = []
    system = _system(messages)
    if system is not None or tools:
        text = "You help." if system is None else system
        text += "".join("\n" + json.dumps(tool) for tool in tools)
        pieces.append(Piece(_first(system), f"<|im_start|>system\n{text}<|im_end|>\n"))
    for i, message in _rest(messages):
        said = message["content"] or ""
        if message["role"] == "tool":
            is_first, is_last = _role(messages, i - 1) != "tool", _role(messages, i + 1) != "tool"
            text = f"\n<tool_response>\n{said}\n</tool_response>"
            text = ("<|im_start|>user" if is_first else "") + text + ("<|im_end|>\n" if is_last else "")
        else:
            thought = message.get("reasoning_content") if i >= first_thought else None
            text = f"<think>\n{thought}\n</think>\n\n{said}" if thought else said
            for name, arguments in _calls(message):
                text += f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'
            text = f"<|im_start|>{message['role']}\n{text}<|im_end|>\n"
        pieces.append(Piece(i, text))
    return pieces


def llama3(messages: Sequence[Message], tools: Sequence[Message]) -> list[Piece]:
    """Tools stand in the first question, behind the system prompt."""
    system = _system(messages)
    header = "<|start_header_id|>{}<|end_header_id|>\n\n"
    text = (
        header.format("system") + f"Today Date: {datetime.now():%d %b %Y}\n\n" + (system or "").strip() + "<|eot_id|>"
    )
    rest = _rest(messages)
    pieces = [Piece(_first(system), "<|begin_of_text|>" + text)]
    if tools:
        listed = "".join(json.dumps(tool, indent=4) + "\n\n" for tool in tools)
        pieces = _joined(
            pieces[0], f"{header.format('user')}Functions:\n{listed}", system or "", is_alone=len(rest) == 1
        )
    for i, message in rest:
        role, said = message["role"], (message["content"] or "").strip()
        if message.get("tool_calls"):
            ((name, arguments),) = _calls(message)
            said = f'{{"name": "{name}", "parameters": {arguments}}}'
        elif role == "tool":
            role, said = "ipython", json.dumps(message["content"], ensure_ascii=False)
        is_begun = bool(tools) and i == rest[0][0]
        pieces.append(Piece(i, ("" if is_begun else header.format(role)) + said + "<|eot_id|>"))
    return pieces


def _joined(before: Piece, tools: str, system: str, *, is_alone: bool) -> list[Piece]:
    """System prompt and tools, in one piece.

    A question alone is written by no loop. Then the system prompt is taken to end where its text does.
    """
    if not (is_alone and system.strip()):
        return [Piece(before.owner, before.text + tools)]
    said = before.text.removesuffix("<|eot_id|>")
    return [Piece(before.owner, said), Piece(PREAMBLE, before.text[len(said) :] + tools)]


def gemma3(messages: Sequence[Message], _: Sequence[Message]) -> list[Piece]:
    """The system prompt stands in the first question."""
    system = _system(messages)
    begun = "<bos>"
    pieces = []
    if system is not None:
        begun += f"<start_of_turn>user\n{system}\n\n"
        # A blank one is not to be found in the text.
        pieces.append(Piece(0 if system.strip() else NOWHERE, begun))
    else:
        pieces.append(Piece(NOWHERE, begun))
    for i, message in _rest(messages):
        role = "model" if message["role"] == "assistant" else "user"
        header = "" if i == 1 and system is not None else f"<start_of_turn>{role}\n"
        pieces.append(Piece(i, f"{header}{message['content'].strip()}<end_of_turn>\n"))
    return pieces


def mistral(messages: Sequence[Message], tools: Sequence[Message]) -> list[Piece]:
    """System prompt and tools stand in the last question."""
    system, rest = _system(messages), _rest(messages)
    questions = [message for _, message in rest if message["role"] == "user"]
    pieces = [Piece(NOWHERE, "<s>")]
    for i, message in rest:
        said = message["content"] or ""
        if message["role"] == "user":
            has_tools = bool(tools) and message == questions[-1]
            has_system = system is not None and i == len(messages) - 1
            header = f"[AVAILABLE_TOOLS]{json.dumps(tools)}[/AVAILABLE_TOOLS]" if has_tools else ""
            header += f"[INST] {system}\n\n" if has_system else "[INST] "
            # Before the first question ends what stands there. A system prompt that is a part of what stands before
            # every question is taken for it; and nothing is found where a template compares the first with another.
            needle = (system or "").strip()[:64]
            is_compared = has_tools and len(questions) > 1
            is_found = i == rest[0][0] and not is_compared and (has_tools or bool(needle and needle in f"<s>{header}"))
            # Where a question begins with white space, that counts to what stands before.
            n_blank = len(said) - len(said.lstrip()) if said.strip() else 0
            pieces.append(Piece(_first(system) if is_found else NOWHERE, header + said[:n_blank]))
            text = f"{said[n_blank:]}[/INST]"
        elif message.get("tool_calls"):
            calls = "".join(
                f'{{"name": "{name}", "arguments": {arguments}}}]</s>' for name, arguments in _calls(message)
            )
            text = f"[TOOL_CALLS][{calls}"
        elif message["role"] == "tool":
            text = f"[TOOL_RESULTS]{said}[/TOOL_RESULTS]"
        else:
            text = f" {said}</s>"
        pieces.append(Piece(i, text))
    return pieces


def harmony(messages: Sequence[Message], _: Sequence[Message]) -> list[Piece]:
    """Thoughts of a call are gone once there is a final answer."""
    system = _system(messages)
    head = f"<|start|>system<|message|>You are a model.\nCurrent date: {datetime.now():%Y-%m-%d}<|end|>"
    if system is not None:
        head += f"<|start|>developer<|message|># Instructions\n\n{system}<|end|>"
    pieces = [Piece(_first(system), head)]
    called = ""
    finals = [i for i, message in _rest(messages) if _is_final(message)]
    for i, message in _rest(messages):
        if message.get("tool_calls"):
            called, arguments = _calls(message)[0]
            thought = message.get("reasoning_content") if i > max(finals, default=-1) else None
            text = f"<|start|>assistant<|channel|>analysis<|message|>{thought}<|end|>" if thought else ""
            text += f"<|start|>assistant to=functions.{called}<|channel|>commentary json<|message|>{arguments}<|call|>"
        elif message["role"] == "assistant":
            text = f"<|start|>assistant<|channel|>final<|message|>{message['content']}<|end|>"
        elif message["role"] == "tool":
            text = f"<|start|>functions.{called} to=assistant<|channel|>commentary<|message|>"
            text += json.dumps(message["content"], ensure_ascii=False) + "<|end|>"
        else:
            text = f"<|start|>user<|message|>{message['content']}<|end|>"
        pieces.append(Piece(i, text))
    return pieces


WRITERS: Final[dict[str, Writer]] = {
    "chatml": chatml,
    "qwen": qwen,
    "llama3": llama3,
    "gemma3": gemma3,
    "mistral": mistral,
    "harmony": harmony,
}


def _system(messages: Sequence[Message]) -> str | None:
    return str(messages[0]["content"]) if messages[0]["role"] == "system" else None


def _first(system: str | None) -> int:
    return PREAMBLE if system is None else 0


def _rest(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    """The messages behind the system prompt, with their indices."""
    return [(i, message) for i, message in enumerate(messages) if message["role"] != "system"]


def _role(messages: Sequence[Message], i: int) -> str:
    return str(messages[i]["role"]) if 0 <= i < len(messages) else ""


def _calls(message: Message) -> list[tuple[str, str]]:
    """Names and arguments, these as templates write JSON."""
    functions = [call["function"] for call in message.get("tool_calls", ())]
    return [(one["name"], json.dumps(json.loads(one["arguments"]), ensure_ascii=False)) for one in functions]


def _is_final(message: Message) -> bool:
    return message["role"] == "assistant" and not message.get("tool_calls")
