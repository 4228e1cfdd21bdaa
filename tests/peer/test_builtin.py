"""Formats by name render as llama-server's do without Jinja."""

from functools import cache
from typing import Final

import pytest

from segue.chat.template.builtin import BUILTIN
from tests.peer.conversations import ROWS
from tests.peer.prompts import Rendered, by_llama, by_segue

NAMES: Final = (
    "a question",
    "a chat",
    "a chat without a system prompt",
    "white space",
    "other alphabets",
    "two questions",
)
"""Requests that formats can write: they know no tools, no thoughts, and no parts."""
LOSE_SYSTEM: Final = ("yandex",)
"""What llama-server leaves the system prompt out of, and Segue puts before the first question."""


@cache
def rendered() -> tuple[Rendered, Rendered]:
    rows = {name: ROWS[name] for name in NAMES}
    return by_segue(BUILTIN, rows), by_llama({name: name for name in BUILTIN}, rows, use_jinja=False)


@pytest.mark.acceptance
@pytest.mark.client_ci
@pytest.mark.parametrize("name", BUILTIN)
def test_a_format_is_llama_servers(name: str) -> None:
    own, peer = rendered()
    for row in NAMES:
        is_lost = name in LOSE_SYSTEM and ROWS[row]["messages"][0]["role"] == "system"
        own_text, peer_text = (str(prompts[name][row]).removeprefix("<s>") for prompts in (own, peer))
        assert (own_text != peer_text) == is_lost
        assert str(ROWS[row]["messages"][0]["content"]).strip() in own_text
