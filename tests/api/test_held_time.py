"""A template that tells the time tells one and the same all through a conversation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segue.chat.memory.conversation_clock import ConversationClock
from tests.kit.byte_vocabulary import END
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

TEMPLATE = """\
{%- macro stamp() -%}{{ strftime_now(format='%Y-%m-%d %H:%M:%S') }}{%- endmacro -%}
{{- '<|im_start|>system\\nIt is ' + stamp() + '.<|im_end|>\\n' -}}
{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
HELLO = {"role": "user", "content": "Hello"}
LATER = [HELLO, {"role": "assistant", "content": "Good day."}, {"role": "user", "content": "So?"}]
CHAT, DAY_S = "/v1/chat/completions", 86_400


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def telling(clock: Clock, tmp_path: Path, **settings: Any) -> Iterator[Live]:
    """A server whose template tells the time of this clock."""
    (tmp_path / "template.jinja").write_text(TEMPLATE)
    loop = FakeLoop(reply=lambda _: [*b"Good day.", END])
    with live(loop, chat_template_file=tmp_path / "template.jinja", **settings) as server:
        backend = server.service.backend
        if backend.chat.clock is not None:
            held = replace(backend.chat, clock=ConversationClock(backend.side_store, clock))
            server.service.attach(replace(backend, chat=held))
        yield server


def prompts(server: Live) -> list[list[int]]:
    return [job.tokens.tolist() for job in server.loop.jobs]


def test_the_prompt_of_a_later_turn_begins_with_that_of_the_first(tmp_path: Path) -> None:
    clock = Clock()
    with telling(clock, tmp_path) as server:
        server.post(CHAT, messages=[HELLO])
        clock.now += DAY_S
        server.post(CHAT, messages=LATER)
        server.post(CHAT, messages=[{"role": "user", "content": "Another"}])
        first, second, other = prompts(server)
        assert b"2023-11-1" in bytes(token for token in first if token < 256)
        assert second[: len(first)] == first
        assert other[:60] != first[:60], "a new conversation is told the present"


def test_without_it_the_time_goes_on(tmp_path: Path) -> None:
    with telling(Clock(), tmp_path, hold_time=False) as server:
        server.post(CHAT, messages=[HELLO])
        text = bytes(token for token in prompts(server)[0] if token < 256)
        assert b"It is 2023-11-1" not in text
        assert b"It is 20" in text


def test_every_api_tells_the_same(tmp_path: Path) -> None:
    clock = Clock()
    with telling(clock, tmp_path) as server:
        server.post("/v1/messages/count_tokens", messages=[HELLO])
        clock.now += 7
        server.post(CHAT, messages=[HELLO])
        server.post("/v1/messages", messages=[HELLO], max_tokens=9)
        server.post("/v1/responses", input="Hello", store=False)
        shown = server.post("/apply-template", messages=[HELLO]).json()["prompt"]
        one, two, three = prompts(server)
        assert one == two == three
        assert shown.encode() == b"".join(map(server.service.backend.vocabulary.piece, one)).removeprefix(b"<s>")


def test_nothing_is_found_across_keys(tmp_path: Path) -> None:
    clock = Clock()
    with telling(clock, tmp_path, api_key=["one", "two"]) as server:
        for key in ("one", "two"):
            server.http.post(CHAT, json={"messages": [HELLO]}, headers={"Authorization": f"Bearer {key}"})
            clock.now += 10
        first, second = prompts(server)
        assert first != second


def test_it_outlives_the_process(tmp_path: Path) -> None:
    clock = Clock()
    with telling(clock, tmp_path, cache_dir=tmp_path) as server:
        server.post(CHAT, messages=[HELLO])
        first = prompts(server)[0]
    clock.now += DAY_S
    with telling(clock, tmp_path, cache_dir=tmp_path) as server:
        server.post(CHAT, messages=LATER)
        assert prompts(server)[0][: len(first)] == first


@pytest.mark.parametrize("settings", [{}, {"chat_template_kwargs": {"strftime_now": 1}}])
def test_a_clock_of_the_client_is_refused_by_the_template(tmp_path: Path, settings: dict[str, Any]) -> None:
    with telling(Clock(), tmp_path, **settings) as server:
        kwargs = {} if settings else {"strftime_now": "noon"}
        assert server.post(CHAT, messages=[HELLO], chat_template_kwargs=kwargs).status_code == 400


def test_a_template_without_a_clock_leaves_no_notes() -> None:
    with live() as server:
        server.post(CHAT, messages=[HELLO])
        clock = ConversationClock(server.service.backend.side_store, lambda: 5.0)
        assert clock.of("", [HELLO]) == 5
