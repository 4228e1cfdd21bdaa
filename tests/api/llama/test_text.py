"""Text and tokens without a model run."""

from typing import Any

import pytest

from tests.kit.byte_vocabulary import BOS, END
from tests.kit.live import Live


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"content": "ab"}, [97, 98]),
        ({"content": "ab", "add_special": True}, [BOS, 97, 98]),
        ({"content": "<|im_end|>"}, [END]),
        ({"content": "<|", "parse_special": False}, [60, 124]),
        ({"content": ["a", 5, "b"], "add_special": True}, [BOS, 97, 5, 98]),
        ({"content": ""}, []),
        ({"content": []}, []),
        ({}, []),
        ({"content": "é", "with_pieces": True}, [{"id": 195, "piece": [195]}, {"id": 169, "piece": [169]}]),
        ({"content": "a", "with_pieces": True}, [{"id": 97, "piece": "a"}]),
    ],
)
def test_tokenize(server: Live, fields: dict[str, Any], expected: list[Any]) -> None:
    assert server.post("/tokenize", **fields).json() == {"tokens": expected}


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_many_tokens_are_written_in_parts(server: Live, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.api.llama.text._N_AT_ONCE", 3)
    text = "abcdefg"[:n]
    assert server.post("/tokenize", content=text).json()["tokens"] == [*text.encode()]
    pieces = server.post("/tokenize", content=text, with_pieces=True).json()["tokens"]
    assert pieces == [{"id": ord(letter), "piece": letter} for letter in text]


def test_special_text_may_be_plain(server: Live) -> None:
    tokens = server.post("/tokenize", content="<|im_end|>", parse_special=False).json()["tokens"]
    assert bytes(tokens) == b"<|im_end|>"


def test_detokenize(server: Live) -> None:
    assert server.post("/detokenize", tokens=[BOS, *"hé".encode(), 0xFF]).json() == {"content": "<s>hé\ufffd"}
    assert server.post("/detokenize").json() == {"content": ""}


@pytest.mark.parametrize("tokens", [[260], [-1], ["a"], "a"])
def test_tokens_that_do_not_exist(server: Live, tokens: object) -> None:
    assert server.post("/detokenize", tokens=tokens).status_code == 400


@pytest.mark.parametrize("content", [3, {"a": 1}, [[1]], [True], [300]])
def test_content_that_is_no_text(server: Live, content: object) -> None:
    assert server.post("/tokenize", content=content).status_code == 400


def test_apply_template(server: Live) -> None:
    messages = [{"role": "user", "content": "hi"}]
    body = server.post("/apply-template", messages=messages).json()
    assert body == {"prompt": "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"}
    nothing = server.post("/apply-template", messages=[]).json()["prompt"]
    assert nothing == "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"
