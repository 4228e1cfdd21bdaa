"""Remembered tokens."""

import ctypes
import sys

from segue.chat.tokens.memory import TokenMemory


def test_what_was_put_is_found_in_its_namespace_only() -> None:
    memory = TokenMemory(10_000)
    memory.put("a", "text", b"1234")
    assert memory.get("a", "text") == b"1234"
    assert memory.get("b", "text") is None
    assert memory.get("a", "tex") is None


def test_the_least_recently_used_is_forgotten() -> None:
    memory = TokenMemory(1000)
    for text in ("one", "two", "three"):
        memory.put("", text, b"1234")
    assert memory.get("", "one")
    memory.put("", "four", b"1234")
    assert memory.get("", "two") is None
    assert memory.get("", "one")


def test_what_does_not_fit_is_not_kept() -> None:
    memory = TokenMemory(1000)
    memory.put("", "small", b"1234")
    memory.put("", "x" * 2000, b"1234")
    assert memory.get("", "x" * 2000) is None
    memory.put("", "small", b"1234")
    memory.put("", "small", b"1234")
    assert memory.get("", "small") == b"1234"


def test_texts_that_python_keeps_in_two_forms_later_do_not_make_room() -> None:
    memory, texts = TokenMemory(1000), [f"{i} é" for i in range(200)]
    for text in texts:
        memory.put("", text, b"1234")
        before = sys.getsizeof(text)
        ctypes.pythonapi.PyUnicode_AsUTF8(ctypes.py_object(text))
        assert sys.getsizeof(text) > before
    assert 1 < sum(memory.get("", text) is not None for text in texts) < 4
