"""Chat requests whose prompts both servers render. A conversation is a row."""

import json
from typing import Any, Final

Message = dict[str, Any]


def _said(role: str, *parts: str, **more: Any) -> Message:
    """A message of one text, or of several parts."""
    content = parts[0] if len(parts) == 1 else [{"type": "text", "text": part} for part in parts]
    return {"role": role, "content": content, **more}


def _call(number: str, name: str, arguments: object) -> Message:
    text = json.dumps(arguments, ensure_ascii=False)
    return {"id": number, "type": "function", "function": {"name": name, "arguments": text}}


def _calls(*calls: Message, said: str | None = "", **more: Any) -> Message:
    return {"role": "assistant", "content": said, "tool_calls": list(calls), **more}


def _result(number: str, *parts: str, **more: Any) -> Message:
    return _said("tool", *parts, tool_call_id=number, **more)


def _tool(name: str, description: str | None, properties: dict[str, Any], *required: str) -> Message:
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    about = {} if description is None else {"description": description}
    return {"type": "function", "function": {"name": name, **about, "parameters": parameters}}


WEATHER: Final = _tool(
    "get_weather",
    "Get the weather of a city",
    {
        "city": {"type": "string", "description": "The city"},
        "days": {"type": "integer", "description": "How many days"},
    },
    "city",
)
ADD: Final = _tool(
    "add",
    "Add two numbers",
    {"a": {"type": "number"}, "b": {"type": "number"}, "unit": {"type": "string", "enum": ["m", "km"]}},
    "a",
    "b",
)
WRITE: Final = _tool(
    "write",
    'Write "lines" & don\'t <ask>',
    {
        "path": {"type": "string", "description": 'The "path"'},
        "lines": {"type": "array", "items": {"type": "string"}, "description": "It's all"},
        "ok": {"type": "boolean", "default": True, "description": "Yes"},
    },
    "path",
)
NOW: Final = _tool("now", None, {})

S: Final = _said("system", "You are terse.")
KIND: Final = _said("system", "Be kind.")
HI: Final = _said("user", "Hi there")
ASK: Final = _said("user", "What is the weather in Paris?")
HELLO: Final = _said("assistant", "Hello to you.")
BEGUN: Final = _said("assistant", "The weather in")
THOUGHT: Final = {"reasoning_content": "They greet me."}
PLAN: Final = {"reasoning_content": "I need the weather."}
C1: Final = _call("call00001", "get_weather", {"city": "Paris", "days": 2})
C2: Final = _call("call00002", "add", {"a": 1, "b": 2.5, "unit": "km"})
R1: Final = _result("call00001", "Sunny, 20 degrees")
R2: Final = _result("call00002", "3.5")
THANKS: Final = _said("user", "And tomorrow?")
OFF: Final = {"chat_template_kwargs": {"enable_thinking": False}}
TOOLS: Final = {"tools": [WEATHER, ADD]}


def _ask(*messages: Message, **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages), **fields}


ROWS: Final[dict[str, dict[str, Any]]] = {
    "a question": _ask(ASK),
    "a chat": _ask(S, HI, HELLO, ASK),
    "a chat without a system prompt": _ask(HI, HELLO, ASK),
    "white space": _ask(_said("system", " Terse.\n"), _said("user", "  Hi \n"), _said("assistant", "\n Yes. \n"), ASK),
    "other alphabets": _ask(_said("system", "Déjà vu, 東京"), _said("user", "Où? 🙂")),
    "no generation prompt": _ask(S, HI, HELLO, ASK, add_generation_prompt=False),
    "tools": _ask(S, ASK, **TOOLS),
    "tools without a system prompt": _ask(ASK, tools=[WEATHER]),
    "a tool without a description": _ask(ASK, tools=[NOW]),
    "quotes in a tool": _ask(ASK, tools=[WRITE]),
    "a result": _ask(S, ASK, _calls(C1, said=None), R1, **TOOLS),
    "a call beside text": _ask(
        S, ASK, _calls(C1, said="I look it up."), R1, _said("assistant", "Sunny."), THANKS, **TOOLS
    ),
    "two calls": _ask(S, ASK, _calls(C1, C2), R1, R2, _said("assistant", "Sunny and 3.5."), THANKS, **TOOLS),
    "calls one after another": _ask(S, ASK, _calls(C1), R1, _calls(C2), R2, **TOOLS),
    "text between calls": _ask(S, ASK, _calls(C1), R1, _calls(C2, said="Now I add."), R2, **TOOLS),
    "a result that is JSON": _ask(
        ASK, _calls(C1), _result("call00001", '{"temp": 20, "sky": "clear"}'), tools=[WEATHER]
    ),
    "a result with a name": _ask(ASK, _calls(C1), {**R1, "name": "get_weather"}, tools=[WEATHER]),
    "quotes": _ask(
        _said("user", 'Write "x" and it\'s <b>'),
        _calls(_call("call00001", "write", {"path": 'a "b".txt', "lines": ["it's", "é\n<x>"], "ok": True})),
        _result("call00001", 'He said "no" & it\'s <done>'),
        _said("assistant", 'Done: "x"'),
        THANKS,
        tools=[WRITE],
    ),
    "a call and no tools any more": _ask(ASK, _calls(C1), R1, _said("assistant", "Sunny."), THANKS),
    "a call without a result": _ask(ASK, _calls(C1), _said("user", "Never mind."), tools=[WEATHER]),
    "an earlier thought": _ask(S, HI, {**HELLO, **THOUGHT}, ASK),
    "an earlier thought that is to go": _ask(
        S, HI, {**HELLO, **THOUGHT}, ASK, chat_template_kwargs={"preserve_reasoning": False}
    ),
    "a thought before a call": _ask(S, ASK, _calls(C1, **PLAN), R1, **TOOLS),
    "thoughts throughout": _ask(
        S, HI, {**HELLO, **THOUGHT}, ASK, _calls(C1, **PLAN), R1, _said("assistant", "Sunny.", **PLAN), THANKS, **TOOLS
    ),
    "parts": _ask(S, _said("user", "First part.", "Second part."), HELLO, _said("user", "Third.", "Fourth.")),
    "parts by all": _ask(
        _said("system", "Be terse.", "Be brief."), _said("user", "One", "two"), _said("assistant", "I", "see."), ASK
    ),
    "parts by a tool": _ask(ASK, _calls(C1), _result("call00001", "Sunny", "20 degrees"), tools=[WEATHER]),
    "a begun reply": _ask(S, ASK, BEGUN),
    "a begun reply without thinking": _ask(ASK, BEGUN, **OFF),
    "a begun reply with a thought": _ask(ASK, {**BEGUN, **PLAN}),
    "a begun thought": _ask(ASK, {**_said("assistant", ""), "reasoning_content": "Let me"}),
    "a begun reply to a result": _ask(S, ASK, _calls(C1), R1, BEGUN, tools=[WEATHER]),
    "a begun reply in parts": _ask(ASK, _said("assistant", "The weather", "in")),
    "no thinking": _ask(S, HI, HELLO, ASK, **OFF),
    "no thinking, with tools": _ask(ASK, _calls(C1), R1, tools=[WEATHER], **OFF),
    "little effort": _ask(ASK, reasoning_effort="low"),
    "much effort": _ask(S, ASK, chat_template_kwargs={"reasoning_effort": "high"}),
    "no effort": _ask(ASK, reasoning_effort="none"),
    "a developer": _ask(_said("developer", "You are terse."), ASK),
    "two system messages": _ask(S, KIND, ASK),
    "a later system message": _ask(S, HI, HELLO, KIND, ASK),
    "a later developer": _ask(S, HI, HELLO, _said("developer", "Be kind."), ASK),
    "two questions": _ask(S, HI, ASK),
    "two replies": _ask(HI, HELLO, _said("assistant", "Yes?"), ASK),
    "two replies at the end": _ask(HI, HELLO, BEGUN),
    "only a system prompt": _ask(S),
    "a greeting by the assistant": _ask(S, HELLO, ASK),
}
