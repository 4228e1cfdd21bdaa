"""Templates on vocabularies that are theirs, and on others."""

import pytest

from segue.chat.template.template import CHATML, ChatTemplate
from segue.chat.template.turn_marks import unknown_mark
from tests.kit.families import FAMILIES
from tests.kit.family_models import VOCABULARIES


def found(source: str, family: str) -> str:
    vocabulary = VOCABULARIES[family]
    return unknown_mark(ChatTemplate(source, vocabulary.bos, vocabulary.eos), vocabulary.special)


@pytest.mark.parametrize("family", VOCABULARIES)
def test_a_family_s_own_template_has_its_marks(family: str) -> None:
    assert found(FAMILIES[family], family) == ""


@pytest.mark.parametrize("family", ["llama3", "gemma3", "mistral", "harmony"])
def test_chatml_does_not_suit_the_others(family: str) -> None:
    assert found(CHATML, family) == "<|im_end|>"


@pytest.mark.parametrize(
    ("family", "mark"), [("llama3", "<|eot_id|>"), ("gemma3", "<end_of_turn>"), ("harmony", "<|end|>")]
)
def test_nor_do_the_others_suit_chatml(family: str, mark: str) -> None:
    assert found(FAMILIES[family], "chatml") == mark


def test_one_mark_that_is_a_token_is_enough() -> None:
    source = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}"
    assert found(source, "mistral") == ""
    assert found(source.replace("{{ eos_token }}", ""), "mistral") == "<|user|>"


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
        "{{ raise_exception('no') }}",
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}",
    ],
)
def test_a_template_without_marks_is_not_judged(source: str) -> None:
    assert found(source, "gemma3") == ""
