"""From settings to a running loop."""

import threading

import pytest
from llguidance import LLTokenizer

from segue.build import build
from segue.grammar.constraint import from_regex
from segue.grammar.tokenizer import GrammarVocabulary, make_tokenizer
from segue.settings import Settings
from tests.kit.models import model_path


def test_the_first_grammar_finds_the_vocabulary_taken_in_and_loading_does_not_wait_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    takers: list[str] = []
    is_built = threading.Event()

    def take_in(vocabulary: GrammarVocabulary) -> LLTokenizer:
        takers.append(threading.current_thread().name)
        assert is_built.wait(60), "loading waits"
        return make_tokenizer(vocabulary)

    monkeypatch.setattr("segue.grammar.compiler.make_tokenizer", take_in)
    settings = Settings(model=str(model_path("qwen35")), ctx_size=512, parallel=1, threads=1)
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        is_built.set()
        built.compiler.compile(from_regex("a"))
        assert takers == ["segue-grammar"]
    finally:
        is_built.set()
        built.close()
