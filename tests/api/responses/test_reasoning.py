"""Reasoning that travels."""

import pytest

from segue.api.responses.reasoning import reasoning_of, seal, unseal

PART = {"type": "reasoning_text", "text": "plain"}


@pytest.mark.parametrize("text", ["", "Hm.", "schön 🙂\n"])
def test_what_is_sealed_can_be_unsealed(text: str) -> None:
    assert unseal(seal(text)) == text


@pytest.mark.parametrize("sealed", [None, 3, "", "gAAAAAB", "segue:?", "segue:/w==", "segue:ä"])
def test_what_others_sealed_cannot(sealed: object) -> None:
    assert unseal(sealed) is None


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"encrypted_content": seal("sealed"), "content": [PART], "summary": []}, "sealed"),
        ({"encrypted_content": "gAAAAAB", "content": [PART], "summary": []}, "plain"),
        ({"content": [PART, PART]}, "plain\nplain"),
        ({"content": [], "summary": [{"type": "summary_text", "text": "short"}]}, "short"),
        ({"content": None, "summary": None}, ""),
        ({"content": [3, {}, {"text": 3}], "summary": "x"}, ""),
        ({}, ""),
    ],
)
def test_reasoning_is_found_in_one_of_three_places(item: dict[str, object], text: str) -> None:
    assert reasoning_of(item) == text
