"""The whole server, started as a user starts it, on tiny models and on real weights."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.kit.families import FAMILIES
from tests.kit.family_models import family_model_path, misfit_model_path
from tests.kit.models import bert_path, gemma3_270m_path, model_path
from tests.kit.served import Served, said, served
from tests.kit.waiting import wait_until

SYSTEM = {"role": "system", "content": "You are a careful engineer. " * 20}
QUESTION = {"role": "user", "content": "What does this function do?"}


@pytest.fixture(params=["qwen35", pytest.param("lfm2-window", marks=pytest.mark.long), "gemma3-270m"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    path = gemma3_270m_path() if request.param == "gemma3-270m" else model_path(request.param)
    with served(path, "-c", "8192", "-np", "2", "--cache-ram", "256") as server:
        yield server


def content(reply: dict[str, Any]) -> str:
    return said(reply["choices"][0])


def n_read(reply: dict[str, Any]) -> int:
    return int(reply["timings"]["prompt_n"])


def assert_same(server: Served, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Compare replies that were read in different pieces, unless 8-bit activations make near ties of everything."""
    if "gemma3-270m" not in str(server.process.args):
        assert content(one) == content(other)


def test_a_repeat_reads_nothing_and_says_the_same(server: Served) -> None:
    first = server.chat([SYSTEM, QUESTION])
    again = server.chat([SYSTEM, QUESTION])
    assert n_read(again) == 0
    assert content(again) == content(first)
    uncached = server.chat([SYSTEM, QUESTION], cache_prompt=False)
    assert n_read(uncached) == n_read(first)
    assert_same(server, uncached, first)


def test_a_follow_up_reads_the_new_messages(server: Served) -> None:
    first = server.chat([SYSTEM, QUESTION])
    history = [SYSTEM, QUESTION, {"role": "assistant", "content": "It adds."}, {"role": "user", "content": "And then?"}]
    onward = server.chat(history)
    assert n_read(onward) < onward["usage"]["prompt_tokens"] - n_read(first) + 20
    assert_same(server, onward, server.chat(history, cache_prompt=False))


def test_an_encoder_refuses_chats_and_serves_embeddings() -> None:
    with served(bert_path()) as server:
        refused = server.client.post("/v1/chat/completions", json={"messages": [QUESTION]})
        assert refused.status_code == 501
        assert refused.json()["error"]["type"] == "not_supported_error"
        embedded = server.client.post("/v1/embeddings", json={"input": ["one", "two words"]}).json()
        assert [len(item["embedding"]) for item in embedded["data"]] == [64, 64]
        assert embedded["usage"]["prompt_tokens"] == len("one" + "twowords") + 4
    assert any("chats and completions are refused" in line for line in server.log)
    assert not any("chat template" in line for line in server.log)


def test_a_changed_date_reads_from_the_date(server: Served) -> None:
    def messages(day: int) -> list[dict[str, str]]:
        text = f"{SYSTEM['content']}\nToday's date: 2026-11-{day}. {SYSTEM['content']}"
        return [{"role": "system", "content": text}, QUESTION]

    first = server.chat(messages(11))
    second = server.chat(messages(12))
    assert n_read(second) < 0.6 * n_read(first)
    assert_same(server, second, server.chat(messages(12), cache_prompt=False))


def test_choices_share_the_prompt(server: Served) -> None:
    reply = server.chat([SYSTEM, QUESTION], n=3)
    assert len({said(choice) for choice in reply["choices"]}) == 1
    again = server.chat([SYSTEM, QUESTION], n=3, temperature=5, seed=7, max_tokens=20)
    assert len({said(choice) for choice in again["choices"]}) == 3
    assert n_read(again) == 0


def test_responses_go_on_where_they_ended(server: Served) -> None:
    def ask(**body: object) -> dict[str, Any]:
        settings = {"temperature": 0, "max_output_tokens": 6, "ignore_eos": True}
        response = server.client.post("/v1/responses", json=settings | body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    first = ask(input=[SYSTEM, QUESTION])
    second = ask(input="And then?", previous_response_id=first["id"])
    assert n_read(second) < second["usage"]["input_tokens"] - n_read(first) + 20
    stateless = ask(input=[SYSTEM, QUESTION, *first["output"], {"role": "user", "content": "And then?"}])
    assert n_read(stateless) == 0
    assert stateless["output_text"] == second["output_text"]


def test_a_model_that_slept_knows_what_it_has_read() -> None:
    with served(model_path("qwen35"), "-c", "8192", "-np", "2", "--sleep-idle-seconds", "1") as server:

        def is_asleep() -> bool:
            return bool(server.client.get("/props").json()["is_sleeping"])

        first = server.chat([SYSTEM, QUESTION])
        wait_until(is_asleep, "sleep")
        assert server.client.get("/health").json() == {"status": "ok"}
        again = server.chat([SYSTEM, QUESTION])
        assert not is_asleep()
        assert n_read(again) == 0
        assert content(again) == content(first)
        wait_until(is_asleep, "sleep")
        assert server.stop(signal.SIGTERM) == 0


def test_embeddings_beside_replies(server: Served) -> None:
    def embed(_: int) -> list[float]:
        body = server.client.post("/v1/embeddings", json={"input": "What does this function do?"}).json()
        return list(body["data"][0]["embedding"])

    with ThreadPoolExecutor(4) as pool:
        vectors, replies = pool.map(embed, range(4)), pool.map(lambda _: server.chat([SYSTEM, QUESTION]), range(4))
        assert len({tuple(vector) for vector in vectors}) == 1
        assert len({content(reply) for reply in replies}) == 1
    long = server.client.post("/v1/embeddings", json={"input": "function " * 2000})
    assert long.status_code == 400
    assert long.json()["error"]["n_ctx"] == 512


def test_many_at_once(server: Served) -> None:
    def ask(i: int) -> dict[str, Any]:
        return server.chat([SYSTEM, {"role": "user", "content": f"{i} is the question"}])

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ask, range(8)))
    for i, reply in enumerate(together):
        assert_same(server, ask(i), reply)


def test_keys_share_nothing_and_ctrl_c_ends_it() -> None:
    with served(model_path("qwen35"), "-c", "2048", "--api-key", "one,two") as server:
        for key in ("one", "two"):
            server.client.headers["Authorization"] = f"Bearer {key}"
            assert n_read(server.chat([QUESTION])) > 0
            assert n_read(server.chat([QUESTION])) == 0
        server.client.headers["Authorization"] = "Bearer three"
        assert server.client.post("/v1/chat/completions", json={"messages": [QUESTION]}).status_code == 401
        assert server.stop(signal.SIGINT) == 130
        text = "".join(server.log)
        assert "Traceback" not in text
        assert "function" not in text, "the log shows a prompt"


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        ("", "the model has no chat template, and ChatML stands in: replies may not end, <|im_end|> is no token"),
        ("chatml", "the chat template does not suit the model: replies may not end, <|im_end|> is no token"),
    ],
)
def test_a_template_that_does_not_suit_the_model_is_told_of_once(template: str, wrong: str) -> None:
    with served(misfit_model_path("gemma3", template), "-c", "1024") as server:
        server.chat([QUESTION])
        server.stop()
        told = [line for line in server.log if "template" in line]
        assert len(told) == 1
        assert told[0].endswith(f"{wrong}; pass the model's own template with --chat-template-file\n")


def test_any_text_may_be_a_template() -> None:
    with served(family_model_path("gemma3"), "-c", "1024", "--chat-template", "Once upon a time") as server:
        body = {"messages": [QUESTION]}
        assert server.client.post("/apply-template", json=body).json()["prompt"] == "Once upon a time"
        server.chat([QUESTION])
        server.stop()
        (told,) = [line for line in server.log if "template" in line]
        assert "the model sees no message of any chat" in told


def test_one_that_suits_it_is_not(tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text(FAMILIES["gemma3"])
    for path, flags in (
        (family_model_path("gemma3"), []),
        (misfit_model_path("gemma3", ""), ["--chat-template-file", str(file)]),
    ):
        with served(path, "-c", "1024", *flags) as server:
            assert "template" not in "".join(server.log)


def test_anthropics_messages_go_on_where_a_breakpoint_stands(server: Served) -> None:
    def ask(question: str) -> dict[str, int]:
        kept = {"type": "text", "text": SYSTEM["content"], "cache_control": {"type": "ephemeral"}}
        body = {"system": [kept], "messages": [{"role": "user", "content": question}], "max_tokens": 4}
        response = server.client.post("/v1/messages", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json()["usage"])

    first, second = ask("What is it?"), ask("Why so?")
    assert first["cache_read_input_tokens"] == second["cache_creation_input_tokens"] == 0
    assert second["cache_read_input_tokens"] >= first["cache_creation_input_tokens"] > 50
    assert second["input_tokens"] < 50


def chained_schema(n: int) -> dict[str, Any]:
    """Each of the definitions refers to the next one."""
    links = {f"a{i}": {"type": "object", "properties": {"x": {"$ref": f"#/$defs/a{i + 1}"}}} for i in range(n)}
    return {"$ref": "#/$defs/a0", "$defs": {**links, f"a{n}": {"type": "null"}}}


def chained_rules(n: int, link: str) -> str:
    """Each of the rules has the next one in it."""
    return "\n".join(["start: r0", *(f"r{i}: {link.format(i + 1)}" for i in range(n)), f'r{n}: "x"'])


def test_no_grammar_is_too_deep_for_the_process() -> None:
    """The longest that are taken; there is no bound but the stack on how deep they are looked into."""
    with served(model_path("qwen35"), "-c", "512") as server:
        grammars: list[dict[str, Any]] = [
            {"json_schema": chained_schema(3_990)},
            {"lark": chained_rules(19_990, '"a" r{}')},
            {"lark": chained_rules(1_800, '("a" ' * 10 + "r{}" + ")?" * 10)},
            {"lark": "start: %json " + json.dumps(chained_schema(2_490))},
        ]
        for grammar in grammars:
            response = server.client.post("/completion", json={"prompt": "x", "n_predict": 1, **grammar})
            assert response.status_code == 200, response.text[:300]
