"""Taking in the vocabulary before anybody asks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from segue.grammar.compiler import Compiler
from segue.grammar.constraint import from_regex
from tests.grammar.walk import allowed
from tests.kit.byte_vocabulary import ByteVocabulary
from tests.kit.waiting import PATIENCE_S, wait_until


class Held(ByteVocabulary):
    """Its first piece waits for the gate; it notes on which threads it is taken in, and when the last piece is."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.takers: list[str] = []
        self.is_taken_in = False

    def piece(self, token: int) -> bytes:
        if token == 0:
            self.takers.append(threading.current_thread().name)
            assert self.gate.wait(PATIENCE_S)
        self.is_taken_in = token == self.n_tokens - 1
        return super().piece(token)


@pytest.fixture
def vocabulary() -> Held:
    return Held()


def test_it_is_taken_in_on_a_thread_of_its_own_and_once(vocabulary: Held) -> None:
    compiler = Compiler(vocabulary)
    compiler.prepare()
    vocabulary.gate.set()
    compiler.close()
    assert vocabulary.takers == ["segue-grammar"]
    assert allowed(compiler.compile(from_regex("a"))()) == [ord("a")]
    assert vocabulary.takers == ["segue-grammar"]


def test_a_grammar_waits_for_it(vocabulary: Held) -> None:
    compiler = Compiler(vocabulary)
    compiler.prepare()
    wait_until(lambda: vocabulary.takers, "the thread that takes it in")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(compiler.compile, from_regex("a"))
        vocabulary.gate.set()
        assert allowed(asking.result(PATIENCE_S)()) == [ord("a")]
    assert vocabulary.takers == ["segue-grammar"]


def test_the_vocabulary_may_go_after_close(vocabulary: Held) -> None:
    compiler = Compiler(vocabulary)
    compiler.close()
    compiler.prepare()
    vocabulary.gate.set()
    compiler.close()
    assert vocabulary.is_taken_in
