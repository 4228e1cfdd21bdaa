"""No body, however odd, makes the server fail."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.api.responses.request import ResponsesRequest
from tests.api.responses.kit import PATH
from tests.kit.live import Live

_KINDS = ["message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "local_shell_call"]
_KINDS += ["item_reference", "web_search_call", "input_text", "output_text", "function", "custom", "namespace", "user"]
_NAMES = ["type", "role", "content", "summary", "encrypted_content", "text", "id", "call_id", "name", "arguments"]
_NAMES += ["input", "output", "action", "tools", "namespace", "format", "schema", "effort", "description"]

_texts = st.sampled_from([*_KINDS, "assistant", "system", "\x00", "segue:", "segue:aGk="]) | st.text(max_size=4)
_atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts
_keys = st.sampled_from([*_NAMES, *ResponsesRequest.model_fields])
_values = st.recursive(
    _atoms, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5), max_leaves=12
)
_item = st.dictionaries(st.sampled_from(_NAMES), _values, max_size=6)
_named = st.fixed_dictionaries({"type": st.sampled_from(_KINDS)}, optional=dict.fromkeys(_NAMES[1:], _texts | _values))
_items = st.lists(_item | _named, max_size=4)


@settings(max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(_keys, _values, max_size=5), items=_items | _values, tools=_items | _values)
def test_odd_bodies(server: Live, body: dict[str, Any], items: object, tools: object) -> None:
    whole = {"max_output_tokens": 2, **body, "input": items, "tools": tools}
    response = server.http.post(PATH, content=json.dumps(whole).encode())
    assert response.status_code in (200, 400, 404, 501), response.text
    if response.status_code != 200:
        assert set(response.json()["error"]) >= {"code", "message", "type"}
