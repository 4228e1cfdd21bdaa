"""Message content as text, whatever it holds."""

from typing import Any

import pytest

from segue.chat.content import text_of


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("a", "a"),
        ([], ""),
        ([{"type": "text", "text": "a"}, "b", {"type": "text", "text": None}, None], "a\nb\n\n"),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}], "a"),
        ([{"type": "input_text", "text": "a"}, {"type": "refusal", "refusal": "no"}], "a\nno"),
        ({"type": "text", "text": "a"}, "a"),
        (7, "7"),
        ([3, {"degrees": 20.5, "sky": "größer"}], '3\n{"degrees": 20.5, "sky": "größer"}'),
        ({"type": ["text"], "text": "x"}, '{"type": ["text"], "text": "x"}'),
    ],
)
def test_texts_and_values(content: object, text: str) -> None:
    assert text_of(content) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "image"),
        ({"type": "input_image", "image_url": "https://a.example/b.png"}, "image"),
        ({"type": "image", "source": {"type": "base64", "data": "AAAA"}}, "image"),
        ({"type": "image", "data": "AAAA", "mimeType": "image/png"}, "image"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, "audio"),
        ({"type": "video_url", "url": "data:video/mp4;base64,AAAA"}, "video"),
        ({"type": "file", "file": {"filename": "a\nb.pdf", "file_data": "AAAA"}}, "file a b.pdf"),
        ({"type": "input_file", "filename": "a.pdf"}, "file a.pdf"),
        ({"type": "document", "title": "T", "source": {"type": "base64", "data": "AAAA"}}, "file T"),
        ({"type": "container_upload", "file_id": "file_1"}, "file"),
    ],
)
def test_what_is_no_text_is_named(part: dict[str, Any], text: str) -> None:
    assert text_of([part]) == f"[{text} omitted: this model reads text only]"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "tool_reference", "tool_name": "Grep"}, "[tool_reference: Grep]"),
        ({"type": "odd"}, "[odd]"),
        ({"type": "odd", "name": " ", "title": "x" * 300}, f"[odd: {'x' * 200}]"),
        ({"type": "server_tool_use", "name": "web_search", "input": {"query": "x"}}, "[server_tool_use: web_search]"),
        ({"type": "new", "text": "says this"}, "[new]\nsays this"),
        (
            {"type": "search_result", "title": "T", "source": "s", "content": [{"type": "text", "text": "a"}]},
            "[search_result: T]\na",
        ),
        ({"type": "resource", "resource": {"uri": "f:a", "text": "b"}}, "[resource: f:a]\nb"),
        ({"type": "resource_link", "uri": "f:a", "name": "N"}, "[resource_link: N]"),
        ({"type": "document", "source": {"type": "text", "data": "plain"}}, "plain"),
        ({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}}, "a"),
        ({"type": "result", "content": {"type": "odd", "stdout": "x"}}, "[result]\n[odd]"),
    ],
)
def test_text_inside_is_kept(part: dict[str, Any], text: str) -> None:
    assert text_of([part]) == text


def test_depth_has_a_limit() -> None:
    part: dict[str, Any] = {"type": "text", "text": "deep"}
    for _ in range(100_000):
        part = {"type": "odd", "content": [part]}
    assert text_of(part) == "\n".join(["[odd]"] * 5)
