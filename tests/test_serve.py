"""The whole server, started as a user starts it, on tiny models and on real weights."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.kit.models import gemma3_270m_path, model_path
from tests.kit.served import Served, served

SYSTEM = {"role": "system", "content": "You are a careful engineer. " * 20}
QUESTION = {"role": "user", "content": "What does this function do?"}


@pytest.fixture(params=["qwen35", "lfm2-window", "gemma3-270m"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    path = gemma3_270m_path() if request.param == "gemma3-270m" else model_path(request.param)
    with served(path, "-c", "8192", "-np", "2", "--cache-ram", "256") as server:
        yield server


def content(reply: dict[str, Any]) -> str:
    return str(reply["choices"][0]["message"]["content"])


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
    assert len({choice["message"]["content"] for choice in reply["choices"]}) == 1
    again = server.chat([SYSTEM, QUESTION], n=3, temperature=5, seed=7, max_tokens=20)
    assert len({choice["message"]["content"] for choice in again["choices"]}) == 3
    assert n_read(again) == 0


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
