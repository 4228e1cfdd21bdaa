"""The content of items."""

import pytest

from segue.api.responses.content import text_of
from segue.serving.errors import ApiError


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x", "x"),
        ([], ""),
        ([{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b", "annotations": []}], "a\nb"),
        ([{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}], "a\nno"),
        (None, ""),
        (["x"], "x"),
        ([{"type": "input_text"}], ""),
        ([{"type": "new", "text": "x"}], "[new]\nx"),
        ([{"type": "input_image", "image_url": "data:"}], "[image omitted: this model reads text only]"),
        ([{"type": "input_file", "filename": "a"}], "[file a omitted: this model reads text only]"),
    ],
)
def test_text(content: object, text: str) -> None:
    assert text_of(content, "input.0.content") == text


@pytest.mark.parametrize("content", [3, {}, [3], [["x"]]])
def test_what_is_no_content(content: object) -> None:
    with pytest.raises(ApiError, match=r"input\.0\.content") as caught:
        text_of(content, "input.0.content")
    assert caught.value.failure.status == 400
