"""No body, however odd, makes the server fail."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.api.requests import ChatRequest, CompletionRequest, DetokenizeRequest, TokenizeRequest
from tests.kit.live import Live

_NAMES = {name for model in (ChatRequest, CompletionRequest) for name in model.model_fields}
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
}

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
_bodies = st.dictionaries(_keys, _values, max_size=6)


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions", "/v1/completions", "/completion", "/tokenize", "/detokenize", "/apply-template"],
)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_bodies, prompt=_values | _texts, messages=_values | _messages)
def test_odd_bodies(server: Live, path: str, body: dict[str, Any], prompt: object, messages: object) -> None:
    whole = {"max_tokens": 2, "n_predict": 2, **body, "prompt": prompt, "messages": messages}
    response = server.http.post(path, content=json.dumps(whole).encode())
    assert response.status_code in (200, 400, 501), response.text
    if response.status_code != 200:
        assert set(response.json()["error"]) >= {"code", "message", "type"}
