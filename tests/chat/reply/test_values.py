"""JSON as models write it."""

import pytest

from segue.chat.reply.values import from_json, to_json
from tests.chat.reply.kit import refuses


@pytest.mark.parametrize("text", ["NaN", "1e999", "{", "[" * 100_000 + "]" * 100_000, ""])
def test_no_json(text: str) -> None:
    assert refuses(from_json, text)


def test_what_is_written_can_be_sent() -> None:
    assert to_json("é\n") == '"é\\n"'
    assert to_json(from_json('"a\\ud800b"')) == '"a\ufffdb"'
    assert refuses(to_json, {1, 2})


def test_a_key_has_one_value() -> None:
    assert from_json('{"a": 1, "a": 1}') == {"a": 1}
    assert refuses(from_json, '{"a": 1, "a": 2}')
    assert refuses(from_json, '{"a": 1, "a": true}')
