"""From settings to a running loop."""

import logging
import threading
from pathlib import Path

import pytest
from llguidance import LLTokenizer

from segue.build import build
from segue.grammar.constraint import from_regex
from segue.grammar.tokenizer import GrammarVocabulary, make_tokenizer
from segue.settings import Settings
from tests.kit.models import model_path
from tests.kit.waiting import PATIENCE_S


def test_the_first_grammar_finds_the_vocabulary_taken_in_and_loading_does_not_wait_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    takers: list[str] = []
    is_built = threading.Event()

    def take_in(vocabulary: GrammarVocabulary) -> LLTokenizer:
        takers.append(threading.current_thread().name)
        assert is_built.wait(PATIENCE_S), "loading waits"
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


def test_a_directory_is_told_of_with_its_limit_and_what_was_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "segue.build")
    model = str(model_path("qwen35"))
    settings = Settings(model=model, ctx_size=512, parallel=1, threads=1, cache_dir=tmp_path, cache_disk=5)
    build(settings, lambda _: None, lambda *_: None).close()
    assert f"{tmp_path} may take 5 MiB; checkpoints found in it: 0" in caplog.messages
