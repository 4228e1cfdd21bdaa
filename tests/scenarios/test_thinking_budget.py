"""Budgets of reasoning over HTTP, on tiny models that never end their reasoning by themselves."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.models import model_path
from tests.kit.served import Served, served

ASK = [{"role": "user", "content": "Say something about the sea."}]
MESSAGE = " That is enough."
TEMPLATE = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.reasoning_content %}{{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}{%- endif %}
    {{- message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}
"""
"""It keeps the reasoning where it was."""


@pytest.fixture(scope="module", params=["qwen35", "lfm2-window"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    template = tmp_path_factory.mktemp("template") / "template.jinja"
    template.write_text(TEMPLATE)
    with served(model_path(request.param), "-c", "4096", "-np", "4", "--chat-template-file", str(template)) as server:
        yield server


def ask(server: Served, n_tokens: int, messages: list[dict[str, Any]] = ASK, **fields: Any) -> dict[str, Any]:
    defaults = {"temperature": 1.0, "max_tokens": 60, "logprobs": True, "reasoning_budget_tokens": n_tokens}
    return server.chat(messages, **defaults | fields)


def tokens(choice: dict[str, Any]) -> list[str]:
    return [entry["token"] for entry in choice["logprobs"]["content"]]


@pytest.mark.parametrize("n_tokens", [0, 1, 20])
@pytest.mark.parametrize("message", ["", MESSAGE])
def test_the_budget_is_kept_to_the_token(server: Served, n_tokens: int, message: str) -> None:
    fields: dict[str, Any] = {"repeat_penalty": 1.2, "n": 3, "reasoning_budget_message": message}
    for choice in ask(server, n_tokens, **fields)["choices"]:
        said = tokens(choice)
        assert "".join(said[n_tokens:]).startswith(message + "</think>")
        assert "</think>" not in said[:n_tokens]
        assert len(said) == 60, "the reply goes on"
        assert choice["message"]["content"]


def test_a_format_begins_behind_it(server: Served) -> None:
    choice = ask(server, 9, regex="[a-c]{3}", ignore_eos=False, reasoning_budget_message=MESSAGE)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert len(choice["message"]["content"].strip()) == 3
    assert choice["message"]["reasoning_content"].endswith(MESSAGE.strip())


@pytest.mark.parametrize("n_tokens", [0, 2])
def test_a_reply_that_leaves_no_room_for_reasoning_is_no_error(server: Served, n_tokens: int) -> None:
    choice = ask(server, n_tokens, regex="[a-c]{3}", ignore_eos=False, reasoning_format="none")["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert len(choice["message"]["content"].strip()) == 3


@pytest.mark.parametrize("returns", [True, False])
def test_the_next_turn_reads_only_what_is_new(server: Served, *, returns: bool) -> None:
    question = [{"role": "user", "content": f"Say something, and {'do' if returns else 'do not'} return it."}]
    first = ask(server, 12, question, reasoning_budget_message=MESSAGE, logprobs=False)
    message = first["choices"][0]["message"]
    if not returns:
        message.pop("reasoning_content", None)
    second = ask(server, 12, [*question, message, {"role": "user", "content": "And then?"}], logprobs=False)
    account = second["cache"]
    n_first = first["usage"]["prompt_tokens"] + first["usage"]["completion_tokens"]
    assert account["n_reused"] == n_first - 1
    assert account["n_read"] == second["usage"]["prompt_tokens"] - (n_first - 1)
