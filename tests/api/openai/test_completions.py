"""POST /v1/completions."""

import json
from typing import Any

import pytest

from tests.kit.byte_vocabulary import BOS, EOS
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

PATH = "/v1/completions"


def test_a_whole_reply_has_openais_shape(server: Live) -> None:
    body = server.post(PATH, prompt="Once", max_tokens=4).json()
    assert server.loop.jobs[-1].tokens.tolist() == [BOS, *b"Once"]
    assert body["object"] == "text_completion"
    assert body["id"].startswith("cmpl-")
    choice = body["choices"][0]
    assert choice | {"text": ""} == {"text": "", "index": 0, "logprobs": None, "finish_reason": "length"}
    assert len(choice["text"]) == body["usage"]["completion_tokens"] == body["timings"]["predicted_n"] == 4
    assert body["cache"]["n_prompt"] == 5


def test_a_stream_says_the_same(server: Live) -> None:
    whole = server.post(PATH, prompt="Once").json()
    *chunks, done = server.events(PATH, prompt="Once")
    assert done == "[DONE]"
    objects = [json.loads(chunk) for chunk in chunks]
    assert "".join(chunk["choices"][0]["text"] for chunk in objects) == whole["choices"][0]["text"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in objects][-2:] == [None, "stop"]
    assert objects[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert objects[-1]["timings"]["predicted_n"] == whole["timings"]["predicted_n"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("ab", [[BOS, 97, 98]]),
        ([97, 98], [[97, 98]]),
        (["ab", "c"], [[BOS, 97, 98], [BOS, 99]]),
        ([[97], [98, 99]], [[97], [98, 99]]),
        ([1, "ab", 2, "c"], [[1, 97, 98, 2, 99]]),
        (["ab", [1], ["a", 2], {"prompt_string": "b"}], [[BOS, 97, 98], [1], [BOS, 97, 2], [BOS, 98]]),
        ({"prompt_string": "b"}, [[BOS, 98]]),
        ("<|im_end|>", [[BOS, 259]]),
    ],
)
def test_prompts_of_every_form(server: Live, prompt: object, expected: list[list[int]]) -> None:
    n_before = len(server.loop.jobs)
    body = server.post(PATH, prompt=prompt).json()
    assert [job.tokens.tolist() for job in server.loop.jobs[n_before:]] == expected
    assert [choice["index"] for choice in body["choices"]] == list(range(len(expected)))


def test_several_prompts_with_several_choices(server: Live) -> None:
    body = server.post(PATH, prompt=["ab", "c"], n=2, seed=1).json()
    assert [choice["text"][-2:] for choice in body["choices"]] == ["-1", "-2", "-1", "-2"]
    assert body["usage"]["prompt_tokens"] == 3 + 2
    assert body["usage"]["completion_tokens"] == 4 * 11
    events = server.events(PATH, prompt=["ab", "c"], n=2, stream_options={"include_usage": True})
    assert json.loads(events[-2])["usage"]["prompt_tokens"] == 3 + 2


@pytest.mark.parametrize(
    ("fields", "status", "part"),
    [
        ({}, 400, "'prompt': Field required"),
        ({"prompt": None}, 400, "prompt"),
        ({"prompt": 3}, 400, "prompt"),
        ({"prompt": [True]}, 400, "prompt"),
        ({"prompt": []}, 400, "prompt"),
        ({"prompt": [[]]}, 400, "empty"),
        ({"prompt": [260]}, 400, "invalid tokens"),
        ({"prompt": [-1]}, 400, "invalid tokens"),
        ({"prompt": [2**70]}, 400, "invalid tokens"),
        ({"prompt": [1.5]}, 400, "prompt"),
        ({"prompt": {"text": "x"}}, 400, "prompt"),
        ({"prompt": {"prompt_string": "x", "multimodal_data": ["eA=="]}}, 501, "images"),
        ({"prompt": "x", "echo": True}, 501, "echo"),
        ({"prompt": "x", "suffix": "y"}, 501, "suffix"),
        ({"prompt": "x", "best_of": 2}, 501, "best_of"),
        ({"prompt": ["x"] * 9, "n": 128}, 400, "1024"),
        ({"prompt": "x", "stop": "s" * 513}, 400, "stop"),
        ({"prompt": "x", "stop": ["s"] * 65}, 400, "stop"),
        ({"prompt": "x", "samplers": "k" * 65}, 400, "samplers"),
        ({"prompt": "x", "logprobs": -1}, 400, "logprobs"),
        ({"prompt": "x", "logprobs": 5000}, 400, "logprobs"),
    ],
)
def test_what_is_refused(server: Live, fields: dict[str, Any], status: int, part: str) -> None:
    response = server.post(PATH, **fields)
    assert response.status_code == status
    assert part in response.json()["error"]["message"]


def test_a_prompt_that_does_not_fit_names_the_limit() -> None:
    with live(FakeLoop(n_ctx=16)) as running:
        for is_streamed in (False, True):
            response = running.post(PATH, prompt="x" * 20, stream=is_streamed)
            assert response.status_code == 400
            error = response.json()["error"]
            assert error["type"] == "exceed_context_size_error"
            assert (error["n_prompt_tokens"], error["n_ctx"]) == (21, 16)
        assert running.loop.jobs == []


def test_logprobs_have_openais_lists_and_llama_servers_content() -> None:
    with live(FakeLoop(reply=lambda _: [*"aé".encode(), EOS])) as running:
        logprobs = running.post(PATH, prompt="x", logprobs=2).json()["choices"][0]["logprobs"]
        assert logprobs["tokens"] == ["a", "", ""]
        assert logprobs["token_logprobs"] == [-0.25] * 3
        assert logprobs["top_logprobs"][0] == {"a": -0.25, "b": -1.25}
        assert logprobs["text_offset"] == [0, 1, 1]
        assert [token["bytes"] for token in logprobs["content"]] == [[97], [195], [169]]
        chunks = [json.loads(event)["choices"][0] for event in running.events(PATH, prompt="x", logprobs=2)[:-1]]
        assert [chunk["logprobs"] and chunk["logprobs"]["text_offset"] for chunk in chunks] == [[0], [1, 1], None]
        bare = running.post(PATH, prompt="x", logprobs=0).json()["choices"][0]["logprobs"]
        assert bare["token_logprobs"] == [-0.25] * 3
        assert bare["top_logprobs"] == [{}, {}, {}]
        assert running.post(PATH, prompt="x", logprobs=False).json()["choices"][0]["logprobs"] is None
