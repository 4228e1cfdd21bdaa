"""Marks that contain control tokens."""

from segue.grammar.marks import control_pieces, mark_rule, text_until_rule
from tests.grammar.walk import VOCABULARY


def test_control_tokens_are_found_by_their_text() -> None:
    assert control_pieces(VOCABULARY) == {"<s>": 256, "</s>": 257, "<|im_start|>": 258, "<|im_end|>": 259}


def test_a_mark_is_strings_and_ids() -> None:
    controls = {"<a>": 1, "<a><b>": 2}
    assert mark_rule("m", 'x"<a><b>\n<a>', controls) == 'm: "x\\"" <[2]> "\\n" <[1]>'
    assert mark_rule("m", "", controls) == 'm: ""'


def test_text_ends_with_the_mark() -> None:
    assert text_until_rule("m", "<a>b", {"<a>": 1}) == 'm: TEXT? <[1]> "b"'
    assert text_until_rule("m", "b<a>", {"<a>": 1}) == 'm: m_text <[1]>\nm_text[lazy]: TEXT "b"'
