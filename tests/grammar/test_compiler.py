"""Taking in the vocabulary before anybody asks."""

import threading

import pytest

from segue.grammar.compiler import Compiler
from segue.grammar.constraint import from_regex
from tests.grammar.walk import allowed
from tests.kit.byte_vocabulary import ByteVocabulary


class Held(ByteVocabulary):
    """Its first piece waits for the gate; it counts how often it is taken in, and on which thread."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.takers: list[str] = []

    def piece(self, token: int) -> bytes:
        if token == 0:
            self.takers.append(threading.current_thread().name)
            assert self.gate.wait(10)
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
    compiler, made = Compiler(vocabulary), threading.Event()

    def compile_one() -> None:
        compiler.compile(from_regex("a"))
        made.set()

    compiler.prepare()
    asking = threading.Thread(target=compile_one)
    asking.start()
    assert not made.wait(0.05)
    vocabulary.gate.set()
    asking.join(10)
    assert made.is_set()
    assert vocabulary.takers == ["segue-grammar"]


def test_the_vocabulary_may_go_after_close(vocabulary: Held) -> None:
    compiler = Compiler(vocabulary)
    compiler.close()
    compiler.prepare()
    closing = threading.Thread(target=compiler.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive(), "it is still looked at"
    vocabulary.gate.set()
    closing.join(10)
    assert not closing.is_alive()
