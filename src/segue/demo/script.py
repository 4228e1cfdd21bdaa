"""The demo's requests in order, as an agent's client sends them, with the whole history each time."""

import json
from dataclasses import dataclass
from typing import Any

from segue.demo import texts

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One request: its `name` in the table, and the conversation that it sends."""

    name: str
    messages: tuple[Message, ...]
    tools: tuple[Message, ...]

    def body(self, n_predict: int) -> dict[str, Any]:
        """The JSON of the request, but for what says how to answer."""
        greedy = {"temperature": 0, "max_tokens": n_predict}
        return {"messages": list(self.messages), "tools": list(self.tools)} | greedy


def steps() -> tuple[Step, ...]:
    """The whole script."""
    tools = texts.tools()
    asked = _conversation(texts.TIME, _user(texts.WHY_A_CENT))
    answered = (*asked, _assistant(texts.THE_CENT, texts.FIRST_THOUGHT))
    branch_a = (*answered, _user(texts.FIX_IT))
    read = (*branch_a, *_call(texts.READ_THOUGHT, "read_file", "src/cart/prices.py", texts.SOURCE))
    ran = (*read, *_call(texts.TEST_THOUGHT, "run_tests", "tests/cart", texts.TEST_RUN))
    onward = (*ran, _assistant(texts.WRITTEN), _user(texts.AND_RETURNS))
    branch_b = (*answered, _user(texts.EXPLAIN_ONLY))
    onward_b = (*branch_b, _assistant(texts.THE_ORDERS), _user(texts.HOW_MANY))
    other = (_user(texts.SLOW_SEARCH),)
    other_onward = (*other, _assistant(texts.NO_INDEX), _user(texts.SHOW_PLAN))
    other_end = (*other_onward, _assistant(texts.THE_PLAN), _user(texts.ADD_INDEX))
    script = {
        "first question": asked,
        "the same again": asked,
        "follow-up": branch_a,
        "tool result": read,
        "another result": ran,
        "reasoning cut": onward,
        "undo two turns": branch_a,
        "branch B": branch_b,
        "back to A": onward,
        "B goes on": onward_b,
        "new chat": _conversation(texts.TIME, *other),
        "a minute later": _conversation(texts.A_MINUTE_LATER, *other_onward),
        "another minute": _conversation(texts.ANOTHER_MINUTE_LATER, *other_end),
    }
    return tuple(Step(name, messages, tools) for name, messages in script.items())


def _conversation(time: str, *messages: Message) -> tuple[Message, ...]:
    return ({"role": "system", "content": texts.system_prompt(time)}, *messages)


def _user(content: str) -> Message:
    return {"role": "user", "content": content}


def _assistant(content: str, reasoning: str = "") -> Message:
    return {"role": "assistant", "content": content} | ({"reasoning_content": reasoning} if reasoning else {})


def _call(reasoning: str, name: str, path: str, result: str) -> tuple[Message, Message]:
    """A tool call after some thinking, and the tool's result."""
    call_id = f"call_{name}"
    function = {"name": name, "arguments": json.dumps({"path": path})}
    call = {"id": call_id, "type": "function", "function": function}
    return (
        _assistant("", reasoning) | {"tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": result},
    )
