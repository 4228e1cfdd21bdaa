"""No body, however odd, makes the server fail."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.api.anthropic.requests import MessagesRequest
from segue.api.intake.requests import ChatRequest, CompletionRequest, DetokenizeRequest, TokenizeRequest
from tests.kit.live import Live

_NAMES = {name for model in (ChatRequest, CompletionRequest, MessagesRequest) for name in model.model_fields}
_NAMES |= {name for model in (TokenizeRequest, DetokenizeRequest) for name in model.model_fields}
_NAMES |= {
    "role",
    "content",
    "type",
    "text",
    "function",
    "arguments",
    "include_usage",
    "grammar",
    "json_schema",
    "echo",
    "input_schema",
    "name",
    "ttl",
    "format",
    "effort",
}
_BLOCKS = ["text", "thinking", "redacted_thinking", "tool_use", "tool_result", "document", "image"]

_texts = st.text(max_size=8) | st.sampled_from(["user", "assistant", "tool", "text", "\x00", "🙂", "\u2028", "{%"])
_atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts
_keys = st.sampled_from(sorted(_NAMES)) | st.text(max_size=4)
_values = st.recursive(
    _atoms, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)
_messages = st.lists(
    st.fixed_dictionaries({"role": _texts, "content": _texts}, optional={"tool_calls": _values, "name": _values}),
    min_size=1,
    max_size=4,
)
_fields = ["text", "thinking", "id", "name", "input", "tool_use_id", "content", "is_error", "source", "cache_control"]
_blocks = st.fixed_dictionaries({"type": st.sampled_from(_BLOCKS)}, optional=dict.fromkeys(_fields, _texts | _values))
_turns = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": _texts | st.lists(_blocks, max_size=3)}
    ),
    min_size=1,
    max_size=4,
)
_bodies = st.dictionaries(_keys, _values, max_size=6)


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/v1/completions", "/completion", "/tokenize", "/detokenize", "/apply-template"],
)
@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_bodies, prompt=_values | _texts, messages=_values | _messages)
def test_odd_bodies(server: Live, path: str, body: dict[str, Any], prompt: object, messages: object) -> None:
    whole = {"max_tokens": 2, "n_predict": 2, **body, "prompt": prompt, "messages": messages}
    response = server.http.post(path, content=json.dumps(whole).encode())
    assert response.status_code in (200, 400, 501), response.text
    if response.status_code != 200:
        assert set(response.json()["error"]) >= {"code", "message", "type"}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@settings(max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_bodies, system=_texts | st.lists(_blocks, max_size=2), messages=_values | _messages | _turns)
def test_odd_bodies_in_anthropics_form(
    server: Live, path: str, body: dict[str, Any], system: object, messages: object
) -> None:
    whole = {"max_tokens": 2, **body, "system": system, "messages": messages, "stream": False}
    response = server.http.post(path, content=json.dumps(whole).encode())
    assert response.status_code in (200, 400), response.text
    if response.status_code != 200:
        assert response.json()["type"] == "error"
        assert set(response.json()["error"]) == {"type", "message"}
