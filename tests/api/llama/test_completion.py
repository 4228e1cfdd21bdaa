"""POST /completion."""

import json

import pytest

from tests.kit.byte_vocabulary import END, EOS
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live


@pytest.mark.parametrize("path", ["/completion", "/completions"])
def test_a_whole_reply_has_llama_servers_shape(server: Live, path: str) -> None:
    body = server.post(path, prompt="ab", n_predict=5, seed=3, temperature=0.5, id_slot=1).json()
    settings = body.pop("generation_settings")
    assert set(body) == {
        *("index", "content", "tokens", "id_slot", "stop", "model", "tokens_predicted", "tokens_evaluated"),
        *("prompt", "has_new_line", "truncated", "stop_type", "stopping_word", "tokens_cached", "timings", "cache"),
    }
    assert len(body["content"]) == body["tokens_predicted"] == 5
    assert body["tokens"] == []
    assert body["id_slot"] == 1
    assert body["prompt"] == "<s>ab"
    assert body["tokens_evaluated"] == 3
    assert body["tokens_cached"] == 3 + 5 - 1
    assert (body["stop"], body["stop_type"], body["stopping_word"]) == (True, "limit", "")
    assert (settings["seed"], settings["temperature"], settings["n_predict"]) == (3, 0.5, 5)
    assert settings["samplers"][0] == "penalties"


def test_settings_name_all_that_llama_servers_do(server: Live) -> None:
    settings = server.post("/completion", prompt="a", n_predict=1, grammar='root ::= "a"').json()["generation_settings"]
    assert settings["grammar"] == 'root ::= "a"'
    neutral = {"n_keep": 0, "n_discard": 0, "lora": [], "grammar_triggers": [], "speculative.types": "none"}
    assert {name: settings[name] for name in neutral} == neutral


@pytest.mark.parametrize(
    ("ignores", "shown"), [(True, [{"token": EOS, "bias": None}, {"token": END, "bias": None}]), (False, [])]
)
def test_an_end_that_is_ignored_shows_as_a_bias(server: Live, ignores: bool, shown: list[object]) -> None:
    body = server.post("/completion", prompt="a", n_predict=1, ignore_eos=ignores).json()
    assert body["generation_settings"]["logit_bias"] == shown


def test_a_stream_says_the_same(server: Live) -> None:
    whole = server.post("/completion", prompt="ab", return_tokens=True).json()
    *partials, final = [json.loads(event) for event in server.events("/completion", prompt="ab")]
    assert "".join(partial["content"] for partial in partials) == whole["content"]
    assert [token for partial in partials for token in partial["tokens"]] == whole["tokens"]
    assert whole["tokens"][-1] == EOS
    assert [partial["stop"] for partial in partials] == [False] * len(partials)
    assert [partial["tokens_predicted"] for partial in partials] == list(range(1, len(partials) + 1))
    assert final["stop"]
    assert (final["content"], final["tokens"], final["stop_type"]) == ("", [], "eos")
    assert final["tokens_predicted"] == whole["tokens_predicted"]


def test_several_prompts_make_a_list(server: Live) -> None:
    body = server.post("/completion", prompt=["ab", [99]]).json()
    assert [part["index"] for part in body] == [0, 1]
    assert [part["prompt"] for part in body] == ["<s>ab", "c"]


def test_stop_words_and_new_lines() -> None:
    with live(FakeLoop(reply=lambda _: [*b"one\ntwo END three", EOS])) as running:
        body = running.post("/completion", prompt="x", stop=["END"], return_tokens=True).json()
        assert body["content"] == "one\ntwo "
        assert bytes(body["tokens"]) == b"one\ntwo "
        assert (body["stop_type"], body["stopping_word"], body["has_new_line"]) == ("word", "END", True)
        final = json.loads(running.events("/completion", prompt="x", stop=["END"])[-1])
        assert (final["stop_type"], final["stopping_word"]) == ("word", "END")
        timed = running.post("/completion", prompt="x", t_max_predict_ms=10).json()
        assert (timed["content"], timed["stop_type"]) == ("one\n", "limit")


def test_probabilities(server: Live) -> None:
    body = server.post("/completion", prompt="ab", n_predict=3, n_probs=2).json()
    assert len(body["completion_probabilities"]) == 3
    first = body["completion_probabilities"][0]
    assert set(first) == {"id", "token", "bytes", "logprob", "top_logprobs"}
    assert len(first["top_logprobs"]) == 2
    events = server.events("/completion", prompt="ab", n_predict=3, n_probs=2)
    streamed = [json.loads(event).get("completion_probabilities", []) for event in events]
    assert [token for tokens in streamed for token in tokens] == body["completion_probabilities"]
    after = server.post("/completion", prompt="ab", n_predict=3, n_probs=2, post_sampling_probs=True).json()
    assert set(after["completion_probabilities"][0]) == {"id", "token", "bytes", "prob", "top_probs"}


def test_chosen_fields_only(server: Live) -> None:
    fields = ["content", "generation_settings/n_predict", "no/such", "prompt"]
    body = server.post("/completion", prompt="ab", n_predict=2, response_fields=fields).json()
    assert set(body) == {"content", "generation_settings/n_predict", "prompt"}
    assert body["generation_settings/n_predict"] == 2


@pytest.mark.parametrize("path", ["/completion", "/v1/completions"])
def test_progress_carries_the_timings_so_far_on_demand(server: Live, path: str) -> None:
    fields = {"return_progress": True, "timings_per_token": True}
    events = [json.loads(event) for event in server.events(path, prompt="timed" * 9, **fields)[:2]]
    for event in events:
        progress, timings = event["prompt_progress"], event["timings"]
        assert (timings["cache_n"], timings["prompt_ms"]) == (progress["cache"], progress["time_ms"])
        assert timings["prompt_n"] == progress["processed"] - progress["cache"]
        assert (timings["predicted_n"], timings["predicted_per_second"]) == (0, 0)


def test_progress_without_timings_where_only_the_time_is_limited(server: Live) -> None:
    fields = {"return_progress": True, "t_max_predict_ms": 60_000}
    (event, *_) = server.events("/completion", prompt="limited", **fields)
    assert "prompt_progress" in event
    assert "timings" not in event


def test_progress_comes_before_the_first_token(server: Live) -> None:
    events = [json.loads(event) for event in server.events("/completion", prompt="new" * 9, return_progress=True)]
    assert events[1]["prompt_progress"] == {
        "total": 28,
        "cache": events[0]["prompt_progress"]["cache"],
        "processed": 28,
        "time_ms": 1.5,
    }
    assert not any("timings" in event for event in events[:-1])
    assert "prompt_progress" not in events[2]
    assert not any("prompt_progress" in json.loads(e) for e in server.events("/completion", prompt="new" * 9))
