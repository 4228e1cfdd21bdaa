"""S27: a message that stands in one request only."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import MakeRig
from tests.kit.conversation import N_HEADER, Prompt, chat, text
from tests.kit.models import model_path
from tests.kit.reference import Reference
from tests.kit.rig import Rig
from tests.kit.served import served

SYSTEM = ("system", text(1, 100))
N_SLACK = 8


def talk(n_above: int, n_turns: int) -> Iterator[Prompt]:
    """A conversation in which each request has a note of its own, so many messages above the end."""
    history = [SYSTEM, ("user", text(2, 40)), ("assistant", text(3, 20)), ("user", text(4, 40))]
    for turn in range(n_turns):
        at = max(1, len(history) - n_above)
        yield chat(*history[:at], ("system", text(100 + turn, 15)), *history[at:])
        history += [("assistant", text(200 + turn, 30)), ("user", text(300 + turn, 30))]


def loop(n_above: int, n_turns: int) -> Iterator[Prompt]:
    """Tool loops of three calls behind each question, with a note in each request."""
    history = [SYSTEM, ("user", text(5, 40))]
    for turn in range(n_turns):
        at = max(1, len(history) - n_above)
        yield chat(*history[:at], ("system", text(100 + turn, 15)), *history[at:])
        history += [("assistant", text(200 + turn, 20)), ("user", text(300 + turn, 50))]
        if turn % 4 == 3:
            history += [("assistant", text(400 + turn, 20)), ("user", text(500 + turn, 25))]


def n_again(rig: Rig, reference: Reference, prompt: Prompt) -> int:
    """Tokens read again though their path was known; the reply is the uncached one."""
    heard = rig.ask(prompt.tokens, 4, marks=prompt.marks)
    reference.agrees(prompt.tokens, heard)
    assert heard.end is not None
    assert heard.end.report is not None
    return heard.end.report.n_read - heard.end.report.new


@pytest.mark.parametrize("n_above", [1, 2, 3, 5])
def test_s27_a_note_in_each_request(make_rig: MakeRig, reference: Reference, n_above: int) -> None:
    rig = make_rig()
    again = [n_again(rig, reference, prompt) for prompt in talk(n_above, 6)]
    assert max(again[2:]) <= N_HEADER + N_SLACK


@pytest.mark.parametrize("n_above", [1, 3])
def test_s27_a_note_in_each_request_of_a_tool_loop(make_rig: MakeRig, reference: Reference, n_above: int) -> None:
    rig = make_rig()
    again = [n_again(rig, reference, prompt) for prompt in loop(n_above, 10)]
    assert max(again[2:]) <= N_HEADER + N_SLACK


WORDS = "a door stands open and behind it there is a wall with a small window "
CHATS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "messages in one": "/v1/messages",
    "responses": "/v1/responses",
}


def body(api: str, history: list[dict[str, str]], note: str, n_above: int) -> dict[str, Any]:
    """A request whose note stands so many messages above the end, in the form of an API."""
    at = len(history) - n_above
    if api == "messages in one":
        blocks: list[dict[str, Any]] = [
            {**message, "content": [{"type": "text", "text": message["content"]}]} for message in history
        ]
        # The note is a block of the last message of the user's that stands at or above its place.
        place = next(i for i in range(at, -1, -1) if history[i]["role"] == "user")
        blocks[place]["content"].append({"type": "text", "text": note})
        return {"messages": blocks, "max_tokens": 4, "temperature": 0}
    role = {"chat": "system", "messages": "system", "responses": "developer"}[api]
    messages = [*history[:at], {"role": role, "content": note}, *history[at:]]
    if api == "responses":
        return {"input": messages, "max_output_tokens": 4, "temperature": 0, "store": False}
    return {"messages": messages, "max_tokens": 4, "temperature": 0}


@pytest.mark.parametrize("name", ["llama", "gemma3", "mamba2", "qwen35", "lfm2-window"])
def test_s27_through_all_apis(name: str) -> None:
    with served(model_path(name), "-c", "8192", "-np", "1") as server:
        header = {"content": "<|im_start|>assistant\n", "parse_special": True}
        n_header = len(server.client.post("/tokenize", json=header).json()["tokens"])
        n_jobs = 0
        for api, path in CHATS.items():
            for n_above in (1, 2, 5):
                history = [{"role": "user", "content": f"{api} {n_above} " + WORDS * 4}]
                history += [{"role": role, "content": WORDS * 2} for role in ("assistant", "user") * 3]
                for turn in range(5):
                    asked = body(api, history, f"{turn} remember this. " + WORDS, n_above)
                    response = server.client.post(path, json=asked)
                    assert response.status_code == 200, response.text
                    n_jobs += 1
                    cache = server.client.get(f"/cache/explain/{n_jobs}").json()["report"]
                    if turn > 1:
                        assert cache["n_read"] - cache["new"] <= n_header + N_SLACK, (api, n_above, turn)
                    history += [{"role": role, "content": f"{turn} {WORDS}"} for role in ("assistant", "user")]
