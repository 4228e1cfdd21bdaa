"""Budgets of reasoning: who may set them, and what becomes of the replies."""

import json
import threading
from typing import Any

import pytest

from tests.kit.byte_vocabulary import END, EOS
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
TEMPLATE = (
    "{%- for m in messages -%}<|im_start|>{{ m.role }}\n"
    "{%- if m.reasoning_content %}<think>\n{{ m.reasoning_content }}</think>{% endif -%}{{ m.content }}<|im_end|>\n"
    "{%- endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant\n"
    "{{- '<think>\n' if enable_thinking else '' }}{%- endif -%}"
)
USER = {"role": "user", "content": "why?"}


def musing() -> FakeLoop:
    """Replies that muse for 40 tokens, unless they are told not to, and say yes."""
    return FakeLoop(reply=lambda _: [*b"m" * 40, *b"</think>yes", END])


def serve(**settings: Any) -> Any:
    return live(musing(), chat_template=TEMPLATE, **settings)


def said(message: dict[str, Any]) -> tuple[str, str]:
    return message.get("reasoning_content") or "", message["content"]


def ask(server: Live, **fields: Any) -> tuple[str, str]:
    response = server.post(CHAT, messages=[USER], **fields)
    assert response.status_code == 200, response.text
    return said(response.json()["choices"][0]["message"])


REST = "m" * 40 + "</think>yes"
"""What a fake model goes on with, whatever was forced."""


@pytest.mark.parametrize("field", ["reasoning_budget_tokens", "thinking_budget_tokens"])
@pytest.mark.parametrize("n_tokens", [0, 1, 17])
def test_a_request_sets_its_budget(field: str, n_tokens: int) -> None:
    with serve() as server:
        assert ask(server, **{field: n_tokens}) == ("m" * n_tokens, REST[n_tokens:])
        assert ask(server, **{field: n_tokens}, reasoning_budget_message=" Well.") == (
            "m" * n_tokens + " Well.",
            REST[n_tokens:],
        )
        assert ask(server, **{field: -1}) == ("m" * 40, "yes")
        assert ask(server, **{field: None}) == ("m" * 40, "yes")
        assert ask(server, **{field: 60}) == ("m" * 40, "yes")


CONTROL = f"{CHAT}/control"


def test_the_reasoning_of_a_running_reply_can_be_ended() -> None:
    steps = threading.Semaphore(5)
    loop = musing()
    loop.steps = steps
    body = {"messages": [USER], "stream": True, "reasoning_control": True}
    with live(loop, chat_template=TEMPLATE, api_key=["k", "other"]) as server:
        server.http.headers["Authorization"] = "Bearer k"
        with server.http.stream("POST", CHAT, json=body) as response:
            lines = (line for line in response.iter_lines() if line.startswith("data: {"))
            first = json.loads(next(lines).removeprefix("data: "))
            wanted = {"id": first["id"], "action": "reasoning_end"}
            other = server.http.post(CONTROL, json=wanted, headers={"Authorization": "Bearer other"})
            assert other.json()["success"] is False
            assert server.http.post(CONTROL, json=wanted).json() == {"success": True}
            steps.release(1000)
            deltas = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in lines]
    thoughts = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert 5 <= len(thoughts) <= 7
    assert "".join(delta.get("content") or "" for delta in deltas) == REST[len(thoughts) :]


def test_only_replies_that_say_so_can_be_controlled() -> None:
    steps = threading.Semaphore(5)
    loop = musing()
    loop.steps = steps
    with live(loop, chat_template=TEMPLATE) as server:
        with server.http.stream("POST", CHAT, json={"messages": [USER], "stream": True}) as response:
            first = next(line for line in response.iter_lines() if line.startswith("data: {"))
            told = server.post(CONTROL, id=json.loads(first.removeprefix("data: "))["id"], action="reasoning_end")
            assert (told.status_code, told.json()["success"]) == (200, False)
            steps.release(1000)
        assert server.post(CONTROL, id="none", action="reasoning_end").json()["success"] is False
        for wrong in ({"action": "reasoning_end"}, {"id": "x"}, {"id": "x", "action": "other"}):
            assert server.post(CONTROL, **wrong).status_code == 400


def test_the_server_sets_the_budget_of_requests_that_set_none() -> None:
    with serve(reasoning_budget=5, reasoning_budget_message="!") as server:
        assert ask(server) == ("mmmmm!", REST[5:])
        assert ask(server, reasoning_budget_tokens=-1) == ("mmmmm!", REST[5:])
        assert ask(server, reasoning_budget_tokens=2) == ("mm!", REST[2:])
        assert ask(server, reasoning_budget_tokens=2, thinking_budget_tokens=3) == ("mm!", REST[2:])
        assert ask(server, reasoning_budget_message="") == ("mmmmm", REST[5:])
        assert ask(server, reasoning_budget_tokens=60) == ("m" * 40, "yes")
    with serve() as server:
        ask(server)
        assert server.loop.jobs[-1].make_forcer is None


@pytest.mark.parametrize("value", [-2, "5", True])
def test_what_is_no_budget_is_refused(value: object) -> None:
    with serve() as server:
        for field in ("reasoning_budget_tokens", "thinking_budget_tokens"):
            response = server.post(CHAT, messages=[USER], **{field: value})
            assert response.status_code == 400
            assert field in response.json()["error"]["message"]
        response = server.post(MESSAGES, messages=[USER], thinking={"type": "enabled", "budget_tokens": value})
        assert response.status_code == 400
        assert "thinking.budget_tokens" in response.json()["error"]["message"]


def test_each_choice_has_a_budget_of_its_own() -> None:
    with serve() as server:
        body = server.post(CHAT, messages=[USER], n=3, reasoning_budget_tokens=6).json()
        assert [said(choice["message"]) for choice in body["choices"]] == [("m" * 6, REST[6:])] * 3
        assert body["usage"]["completion_tokens"] == 3 * (len(REST) + len("</think>") + len([END, EOS]))


def test_a_stream_is_held_to_it_too() -> None:
    with serve() as server:
        events = server.events(CHAT, messages=[USER], reasoning_budget_tokens=6, reasoning_budget_message="\n!\n")
        deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "mmmmmm\n!"
        assert "".join(delta.get("content") or "" for delta in deltas) == REST[6:]


@pytest.mark.parametrize("where", ["request", "server"])
def test_reasoning_that_stays_in_the_text_has_a_budget(where: str) -> None:
    settings = {"reasoning_format": "none"} if where == "server" else {}
    fields = {"reasoning_format": "none"} if where == "request" else {}
    with serve(**settings) as server:
        assert ask(server, reasoning_budget_tokens=4, **fields) == ("", "mmmm</think>" + REST[4:])
        assert ask(server, reasoning_format="deepseek")[0] == "m" * 40


def test_logprobs_are_those_of_all_tokens() -> None:
    with serve() as server:
        body = server.post(CHAT, messages=[USER], reasoning_budget_tokens=4, logprobs=True, top_logprobs=2).json()
        tokens = "".join(entry["token"] for entry in body["choices"][0]["logprobs"]["content"])
        assert tokens == "mmmm</think>" + REST[4:] + "<|im_end|>"


def test_a_stop_string_and_a_limit_hold_where_tokens_are_forced() -> None:
    with serve() as server:
        fields = {"reasoning_budget_tokens": 4, "reasoning_budget_message": " that is enough. "}
        assert ask(server, stop=["enough"], **fields) == ("mmmm that is ", "")
        assert ask(server, max_tokens=8, **fields) == ("mmmm tha", "")


def test_anthropics_words_for_it() -> None:
    with serve() as server:

        def blocks(**thinking: Any) -> list[str]:
            body = server.post(MESSAGES, messages=[USER], max_tokens=200, **thinking).json()
            return [block.get("thinking", block.get("text")) for block in body["content"]]

        assert blocks(thinking={"type": "enabled", "budget_tokens": 7}) == ["m" * 7, REST[7:]]
        assert blocks(thinking={"type": "enabled", "budget_tokens": 0}) == [REST]
        assert blocks(thinking={"type": "enabled"}) == ["m" * 40, "yes"]
        assert blocks(thinking={"type": "adaptive", "budget_tokens": 7}) == ["m" * 40, "yes"]
        assert blocks(thinking={"type": "enabled", "budget_tokens": 7}, thinking_budget_tokens=5) == ["m" * 7, REST[7:]]
        assert blocks(reasoning_budget_tokens=3) == ["m" * 3, REST[3:]]


def test_the_responses_api_passes_it_on() -> None:
    with serve() as server:
        body = server.post(RESPONSES, input="why?", reasoning_budget_tokens=7, reasoning_budget_message="!").json()
        reasoning, message = body["output"]
        assert reasoning["content"][0]["text"] == "m" * 7 + "!"
        assert message["content"][0]["text"] == REST[7:]
        assert body["usage"]["output_tokens_details"]["reasoning_tokens"] == 8


@pytest.mark.parametrize("returns", [True, False])
def test_the_next_turn_reads_only_what_is_new(*, returns: bool) -> None:
    """Whether or not the client returns the reasoning; without anything forced it would not differ."""
    with serve() as server:
        first = server.post(CHAT, messages=[USER], reasoning_budget_tokens=9, reasoning_budget_message=" So.").json()
        message = first["choices"][0]["message"]
        if not returns:
            del message["reasoning_content"]
        server.post(CHAT, messages=[USER, message, {"role": "user", "content": "and?"}])
        before, after = (job.tokens.tolist() for job in server.loop.jobs)
        written = [*before, *("m" * 9 + " So.</think>" + REST[9:]).encode(), END]
        assert after[: len(written)] == written


def test_reasoning_is_switched_off_for_all() -> None:
    def thinks(server: Live, path: str = CHAT, **fields: Any) -> bool:
        assert server.post(path, messages=[USER], max_tokens=1, **fields).status_code == 200
        return bytes(token for token in server.loop.jobs[-1].tokens if token < 256).endswith(b"<think>\n")

    with serve() as server:
        assert thinks(server)
    with serve(reasoning="on") as server:
        assert thinks(server)
        assert not thinks(server, reasoning_effort="none")
    with serve(reasoning="off") as server:
        assert not thinks(server)
        assert not thinks(server, MESSAGES, thinking={"type": "enabled", "budget_tokens": 1024})
        assert thinks(server, chat_template_kwargs={"enable_thinking": True})


def test_the_server_tells_the_template_of_an_effort() -> None:
    told_text = "{{ reasoning_effort }}|{{ enable_thinking }}{% if false %}<think></think>{% endif %}"
    with live(musing(), chat_template=told_text, reasoning_effort="low") as server:

        def told(**fields: Any) -> bytes:
            assert server.post(CHAT, messages=[USER], max_tokens=1, **fields).status_code == 200
            return bytes(token for token in server.loop.jobs[-1].tokens if token < 256)

        assert told() == b"low|True"
        assert told(reasoning_effort="high") == b"high|True"
        assert told(chat_template_kwargs={"reasoning_effort": "medium"}) == b"medium|True"
        assert told(reasoning_effort="none") == b"|False"
