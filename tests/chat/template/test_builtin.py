"""Formats by name."""

from typing import Any

import pytest

from segue.chat.template.builtin import BUILTIN
from segue.chat.template.template import CHATML, ChatTemplate

SYSTEM = {"role": "system", "content": " Be brief. "}
USER = {"role": "user", "content": "Hi"}
REPLY = {"role": "assistant", "content": " Yes. "}


def text(name: str, *messages: dict[str, str], **options: Any) -> str:
    return ChatTemplate(BUILTIN[name], "", "").render(messages, **options).text


@pytest.mark.parametrize("name", BUILTIN)
def test_each_writes_all_that_was_said_and_has_its_ends(name: str) -> None:
    rendered = ChatTemplate(BUILTIN[name], "", "").render([SYSTEM, USER, REPLY, USER])
    places = [rendered.text.index(said) for said in ("Be brief.", "Hi", "Yes.")]
    assert places == sorted(places)
    assert rendered.message_indices[-1] == 3


def test_some_by_eye() -> None:
    assert BUILTIN["chatml"] == CHATML
    header = "<|start_header_id|>{}<|end_header_id|>\n\n{}"
    llama3 = [header.format("system", "Be brief.<|eot_id|>"), header.format("user", "Hi<|eot_id|>")]
    assert text("llama3", SYSTEM, USER) == "".join(llama3) + header.format("assistant", "")
    assert text("llama3", SYSTEM, USER, add_generation_prompt=False) == "".join(llama3)
    assert text("mistral-v3", USER, REPLY, USER) == "[INST] Hi[/INST] Yes.</s>[INST] Hi[/INST]"
    assert text("llama2-sys-bos", SYSTEM, USER, REPLY, USER) == (
        "[INST] <<SYS>>\n Be brief. \n<</SYS>>\n\nHi [/INST] Yes. </s><s>[INST] Hi [/INST]"
    )
    assert text("gemma", SYSTEM, USER) == ("<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n")
    assert text("gpt-oss", USER, REPLY) == (
        "<|start|>user<|message|>Hi<|end|><|start|>assistant<|message|> Yes. <|return|><|start|>assistant"
    )
