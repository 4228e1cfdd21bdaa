"""Random conversations, as agents have them."""

from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st

Message = dict[str, Any]

TOOLS: list[Message] = [
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "say", "parameters": {}}},
]
_WORDS = (
    "",
    " ",
    "\n",
    "\n\n",
    "  ",
    "the",
    " the",
    "in",
    "é",
    "日本",
    "🙂",
    '"',
    "{",
    "1.",
    "Be brief.",
    "One?",
    "</s>",
)


def texts(special: Sequence[str]) -> st.SearchStrategy[str]:
    """What somebody says: short, often empty, and with the texts of special tokens in it."""
    return st.lists(st.sampled_from([*_WORDS, *special]), max_size=5).map("".join)


@st.composite
def conversations(draw: st.DrawFn, special: Sequence[str], *, most_calls: int) -> tuple[list[Message], list[Message]]:
    """Messages that end with a question, or with results of tools, and the tools; at most so many calls at once."""
    said = texts(special)
    messages: list[Message] = [{"role": "system", "content": draw(said)}] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 3))):
        messages.append({"role": "user", "content": draw(said)})
        for _ in range(draw(st.integers(0, 2 if most_calls else 0))):
            messages += draw(_calls(said, most_calls))
        messages.append(_with_thought({"role": "assistant", "content": draw(said)}, draw(said)))
    messages.append({"role": "user", "content": draw(said)})
    if most_calls and draw(st.booleans()):
        messages += draw(_calls(said, most_calls))
    return messages, TOOLS if most_calls and draw(st.booleans()) else []


@st.composite
def _calls(draw: st.DrawFn, said: st.SearchStrategy[str], most_calls: int) -> list[Message]:
    """An assistant's message with calls, and their results."""
    n_calls = draw(st.integers(1, most_calls))
    arguments = [f'{{"x": {i}}}' for i in range(n_calls)]
    calls = [
        {
            "id": f"c{i}",
            "type": "function",
            "function": {"name": draw(st.sampled_from(["add", "say"])), "arguments": one},
        }
        for i, one in enumerate(arguments)
    ]
    message = {"role": "assistant", "content": draw(st.none() | said), "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(said)} for call in calls]
    return [_with_thought(message, draw(said)), *results]


def _with_thought(message: Message, thought: str) -> Message:
    return message | ({"reasoning_content": thought} if thought else {})
