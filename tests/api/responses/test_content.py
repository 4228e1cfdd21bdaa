"""The content of items."""

import pytest

from segue.api.errors import ApiError
from segue.api.responses.content import text_of


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x", "x"),
        ([], ""),
        ([{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b", "annotations": []}], "a\nb"),
        ([{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}], "a\nno"),
    ],
)
def test_text(content: object, text: str) -> None:
    assert text_of(content, "input.0.content") == text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (None, 400),
        (3, 400),
        ({}, 400),
        (["x"], 400),
        ([{"type": "input_text"}], 400),
        ([{"type": ["text"], "text": "x"}], 400),
        ([{"type": "new", "text": "x"}], 400),
        ([{"type": "input_image", "image_url": "data:"}], 501),
        ([{"type": "input_file"}], 501),
    ],
)
def test_what_is_no_text(content: object, status: int) -> None:
    with pytest.raises(ApiError, match=r"input\.0\.content") as caught:
        text_of(content, "input.0.content")
    assert caught.value.failure.status == status
