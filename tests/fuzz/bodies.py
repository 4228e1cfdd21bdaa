"""A few valid requests of each endpoint, short enough that a reply takes milliseconds."""

from typing import Final

Json = dict[str, object]

_PARAMETERS: Final[Json] = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
_FUNCTION: Final[Json] = {"name": "add", "description": "Adds.", "parameters": _PARAMETERS}
_CALL: Final[Json] = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"x": 2}'}}
_SCHEMA: Final[Json] = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}

_CHAT: Final[list[Json]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "One?"}, {"type": "text", "text": "Two?"}]},
    {"role": "assistant", "content": None, "reasoning_content": "add", "tool_calls": [_CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "4"},
]
_TURNS: Final[list[Json]] = [
    {"role": "user", "content": [{"type": "text", "text": "One?", "cache_control": {"type": "ephemeral"}}]},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "add", "input": {"x": 2}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "4", "is_error": False}]},
]
_ITEMS: Final[list[Json]] = [
    {"role": "developer", "content": "Be brief."},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "One?"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "add"}]},
    {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"x": 2}'},
    {"type": "function_call_output", "call_id": "c1", "output": "4"},
]
_SAMPLING: Final[Json] = {
    "seed": 1,
    "temperature": 0.5,
    "top_k": 3,
    "top_p": 0.9,
    "stop": ["\n"],
    "logit_bias": [[65, 1.5], ["the", False]],
    "samplers": ["top_k", "temperature"],
    "n_probs": 2,
    "cache_prompt": True,
    "id_slot": -1,
}
_COUNTED: Final[Json] = {"system": [{"type": "text", "text": "Be brief."}], "messages": _TURNS}
_MESSAGES: Final[Json] = {"max_tokens": 2, **_COUNTED}
_ANTHROPIC_TOOLS: Final[Json] = {"tools": [{"name": "add", "input_schema": _PARAMETERS}]}

POSTS: Final[dict[str, tuple[Json, ...]]] = {
    "/v1/chat/completions": (
        {"messages": _CHAT, "max_tokens": 2},
        {"messages": _CHAT[1:2], "max_completion_tokens": 2, "stream": True, "stream_options": {"include_usage": True}},
        {
            "messages": _CHAT,
            "max_tokens": 2,
            "tools": [{"type": "function", "function": _FUNCTION}],
            "tool_choice": "auto",
            "chat_template_kwargs": {"enable_thinking": False},
            "reasoning_format": "auto",
        },
        {"messages": _CHAT[:1], "max_tokens": 2, "logprobs": True, "top_logprobs": 2, "n": 2, **_SAMPLING},
        {
            "messages": _CHAT[:1],
            "max_tokens": 2,
            "response_format": {"type": "json_schema", "json_schema": {"schema": _SCHEMA}},
        },
    ),
    "/v1/completions": (
        {"prompt": "One", "max_tokens": 2, "logprobs": 2},
        {"prompt": ["One", [84, 119, 111], ["T", 119, "o"]], "max_tokens": 2, "stream": True},
    ),
    "/v1/messages": (
        _MESSAGES,
        {**_MESSAGES, **_ANTHROPIC_TOOLS, "tool_choice": {"type": "auto"}, "thinking": {"type": "disabled"}},
        {**_MESSAGES, "system": "Be brief.", "stream": True, "stop_sequences": ["\n"], "metadata": {"user_id": "u"}},
    ),
    "/v1/messages/count_tokens": (_COUNTED, {**_COUNTED, **_ANTHROPIC_TOOLS}),
    "/v1/responses": (
        {"input": _ITEMS, "instructions": "Think.", "max_output_tokens": 2, "metadata": {"k": "v"}},
        {"input": "One?", "max_output_tokens": 2, "stream": True, "store": False, "reasoning": {"effort": "low"}},
        {
            "input": "One?",
            "max_output_tokens": 2,
            "tools": [{"type": "function", **_FUNCTION}],
            "text": {"format": {"type": "json_schema", "name": "s", "schema": _SCHEMA}},
            "previous_response_id": None,
            "include": ["reasoning.encrypted_content"],
        },
    ),
    "/v1/embeddings": ({"input": "One"}, {"input": ["One", [84, 119, 111]], "encoding_format": "base64"}),
    "/infill": (
        {
            "input_prefix": "def f(",
            "input_suffix": "):",
            "prompt": "x",
            "input_extra": [{"filename": "a.py", "text": "x = 1"}],
            "n_predict": 2,
        },
    ),
    "/completion": (
        {"prompt": "One", "n_predict": 2, "return_tokens": True, "response_fields": ["content", "timings/cache_n"]},
        {"prompt": {"prompt_string": "One"}, "n_predict": 2, "stream": True, "return_progress": True, **_SAMPLING},
        {"prompt": "One", "n_predict": 2, "grammar": 'root ::= "a" | [b-d]+'},
        {"prompt": "One", "n_predict": 2, "json_schema": _SCHEMA, "t_max_predict_ms": 1000},
        {"prompt": "One", "n_predict": 2, "regex": "[a-c]{1,3}"},
        {"prompt": "One", "n_predict": 2, "lark": 'start: "a" | "b"'},
    ),
    "/tokenize": ({"content": "One?", "with_pieces": True}, {"content": ["One", 84, "?"], "add_special": True}),
    "/detokenize": ({"tokens": [79, 110, 101]},),
    "/apply-template": ({"messages": _CHAT, "tools": [{"type": "function", "function": _FUNCTION}]},),
    "/slots/0?action=erase": ({},),
    "/slots/0?action=save": ({"filename": "kept"},),
    "/slots/1?action=restore": ({"filename": "kept"},),
}

GETS: Final = (
    "/health",
    "/v1/models",
    "/props",
    "/slots",
    "/cache/explain/1",
    "/v1/responses/resp_1",
    "/openapi.json",
    "/nowhere",
)


def field_names() -> tuple[str, ...]:
    """The names of all fields above, sorted."""
    names: set[str] = set()
    stack: list[object] = [list(bodies) for bodies in POSTS.values()]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            names |= value.keys()
            stack += value.values()
        elif isinstance(value, list | tuple):
            stack += value
    return tuple(sorted(names))
