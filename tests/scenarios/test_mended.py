"""What clients and templates change from one request to the next, and what is read of it: a hybrid over HTTP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_kept_tool_order import FIRST, OTHER
from tests.kit.acted import PLAIN
from tests.kit.models import model_path
from tests.kit.served import Served, served

HYBRIDS = ["qwen35", "lfm2-window"]
SYSTEM = {"role": "system", "content": "You look at things. " * 30}
USER = {"role": "user", "content": "What is there?"}
NEXT = {"role": "user", "content": "And behind it?"}
HEADER = "<|im_start|>assistant\n"
STAMP = "{{- '<|im_start|>system\\nIt is ' + strftime_now('%H:%M:%S.%f') + '.<|im_end|>\\n' -}}\n"


def ask(server: Served, *messages: Mapping[str, Any], **fields: Any) -> tuple[int, dict[str, Any]]:
    """How many prompt tokens a turn reads, and the reply that a client sends back."""
    reply = server.chat(messages, lark='start: "a door"', max_tokens=20, ignore_eos=False, **fields)
    message = reply["choices"][0]["message"]
    assert message["content"] == "a door"
    return int(reply["timings"]["prompt_n"]), {key: message[key] for key in ("role", "content")}


def n_tokens(server: Served, text: str) -> int:
    return len(server.client.post("/tokenize", json={"content": text}).json()["tokens"])


def n_behind(server: Served) -> int:
    """Tokens of what a second turn adds."""
    return n_tokens(server, f"<|im_end|>\n<|im_start|>user\n{NEXT['content']}<|im_end|>\n{HEADER}")


def flags(tmp_path: Path, stamp: str = "") -> list[str]:
    """Flags for a server whose template writes replies as they were said, behind the stamp."""
    path = tmp_path / "template.jinja"
    path.write_text(stamp + PLAIN)
    return ["-c", "4096", "-np", "2", "--chat-template-file", str(path)]


@pytest.mark.parametrize("name", HYBRIDS)
def test_tools_in_another_order_cost_nothing(name: str, tmp_path: Path) -> None:
    with served(model_path(name), *flags(tmp_path)) as server:
        whole, said = ask(server, SYSTEM, USER, tools=FIRST)
        assert whole > 500
        assert ask(server, SYSTEM, USER, said, NEXT, tools=OTHER)[0] <= n_behind(server)
        assert ask(server, SYSTEM, USER, tools=OTHER)[0] == 0


@pytest.mark.parametrize("name", HYBRIDS)
def test_unless_that_is_switched_off(name: str, tmp_path: Path) -> None:
    with served(model_path(name), *flags(tmp_path), "--no-keep-tool-order") as server:
        _, said = ask(server, SYSTEM, USER, tools=FIRST)
        assert ask(server, SYSTEM, USER, said, NEXT, tools=OTHER)[0] > 200


@pytest.mark.parametrize("name", HYBRIDS)
def test_the_time_stands_still_in_a_conversation_also_across_a_restart(name: str, tmp_path: Path) -> None:
    options = [*flags(tmp_path, STAMP), "--cache-dir", str(tmp_path / "cache")]
    with served(model_path(name), *options) as server:
        whole, said = ask(server, SYSTEM, USER)
        assert whole > 200
        assert ask(server, SYSTEM, USER, said, NEXT)[0] <= n_behind(server)
        server.stop()
    with served(model_path(name), *options) as server:
        other = {**NEXT, "content": "And before it?"}
        assert ask(server, SYSTEM, USER, said, other)[0] <= n_behind(server)


def test_unless_it_shall_go_on(tmp_path: Path) -> None:
    with served(model_path("qwen35"), *flags(tmp_path, STAMP), "--no-hold-time") as server:
        whole, said = ask(server, SYSTEM, USER)
        assert ask(server, SYSTEM, USER, said, NEXT)[0] > whole // 2
