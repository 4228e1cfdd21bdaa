"""Matchers, the compiler that makes them, and the vocabulary that they see."""

import random

import pytest

from segue.engine.errors import MaskError
from segue.grammar.compiler import Compiler
from segue.grammar.constraint import from_lark, from_regex
from segue.grammar.errors import ConstraintError
from tests.grammar.walk import VOCABULARY, allowed
from tests.kit.byte_vocabulary import END, EOS, ByteVocabulary


def test_replies_share_nothing() -> None:
    make = Compiler(VOCABULARY).compile(from_regex("ab|cd"))
    one, other = make(), make()
    one.accept(ord("a"))
    assert allowed(one) == [ord("b")]
    assert allowed(other) == [ord("a"), ord("c")]
    one.accept(ord("b"))
    assert allowed(one) == [EOS, END]
    one.accept(EOS)
    other.accept(ord("c"))
    assert allowed(make()) == [ord("a"), ord("c")]


def test_a_grammar_is_compiled_once_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler(VOCABULARY)
    first = compiler.compile(from_regex("a"))
    monkeypatch.setattr("segue.grammar.compiler.MAX_KEPT_BYTES", 2 * first.n_bytes)
    second = compiler.compile(from_regex("b"))
    assert compiler.compile(from_regex("a")) is first
    compiler.compile(from_regex("c"))
    assert compiler.compile(from_regex("a")) is first
    assert compiler.compile(from_regex("b")) is not second


def test_a_long_grammar_takes_the_room_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.grammar.compiler.MAX_KEPT_BYTES", 80 << 20)
    compiler, long = Compiler(VOCABULARY), from_regex("[0-9]" * 50_000)
    small = [compiler.compile(from_regex(pattern)) for pattern in "abcd"]
    assert [compiler.compile(from_regex(pattern)) for pattern in "abcd"] == small
    kept = compiler.compile(long)
    assert compiler.compile(from_regex("d")) is small[3]
    assert compiler.compile(from_regex("c")) is not small[2]
    assert kept.n_bytes > small[0].n_bytes


@pytest.mark.parametrize("grammar", ["start: r0\n" + "\n".join(f"r{i}: r{i + 1}" for i in range(30_000)), "(" * 30_000])
def test_a_grammar_of_too_many_rules_is_refused(grammar: str) -> None:
    with pytest.raises(ConstraintError, match=r"3000[01] rules"):
        from_lark(grammar)


def test_control_tokens_are_no_text() -> None:
    any_text = Compiler(VOCABULARY).compile(from_regex(r"(.|\n)*"))()
    assert [token for token in allowed(any_text) if token >= 256] == [EOS, END]


class Endless(ByteVocabulary):
    """No token ends a reply, and one has no bytes."""

    n_tokens = 261

    def piece(self, token: int) -> bytes:
        return b"" if token == 260 else super().piece(token)

    def is_eog(self, token: int) -> bool:  # noqa: ARG002
        return False


def test_without_an_end_token_nothing_is_allowed_at_the_end() -> None:
    matcher = Compiler(Endless()).compile(from_regex("a"))()
    matcher.accept(ord("a"))
    assert allowed(matcher) == []


def test_what_takes_too_much_ends_the_reply() -> None:
    grammar = from_lark("start: /((a{0,100}){0,100}){0,100}/")
    matcher = Compiler(VOCABULARY).compile(grammar)()

    def say(n: int) -> None:
        for _ in range(n):
            matcher.choice()
            matcher.accept(ord("a"))

    with pytest.raises(MaskError, match="too many expressions") as caught:
        say(200)
    assert "\n" not in str(caught.value)


def test_a_full_lexer_harms_no_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reply needs few states of the lexer that they share, and all together more than there may be."""
    monkeypatch.setattr("segue.grammar.compiled.MAX_LEXER_STATES", 200)
    compiler, grammar = Compiler(VOCABULARY), from_lark("start: /(a|b)*a(a|b){12}/")
    first = compiler.compile(grammar)
    rng = random.Random(1)
    for _ in range(50):
        matcher = first()
        said = rng.choices(b"ab", k=20)
        for token in said:
            assert ord("a") in allowed(matcher)
            matcher.accept(token)
        assert (EOS in allowed(matcher)) is (said[-13] == ord("a"))
    assert first.is_worn
    assert compiler.compile(grammar) is not first


def test_a_worn_grammar_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler(VOCABULARY)
    first, worn = compiler.compile(from_regex("a")), compiler.compile(from_regex("b"))
    monkeypatch.setattr("segue.grammar.compiler.MAX_KEPT_BYTES", 2 * first.n_bytes)
    worn.is_worn = True
    compiler.compile(from_regex("c"))
    assert compiler.compile(from_regex("a")) is first


def test_what_takes_too_much_at_the_start_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.grammar.compiled.MAX_LEXER_STATES", 1)
    with pytest.raises(ConstraintError, match="states"):
        Compiler(VOCABULARY).compile(from_regex("[a-z]{1,50}"))


def test_a_token_that_is_not_allowed_is_an_error() -> None:
    matcher = Compiler(VOCABULARY).compile(from_regex("a"))()
    with pytest.raises(MaskError):
        matcher.accept(ord("b"))
