"""Checkpoints inside a short message, taken while nobody asks for anything."""

import logging

import pytest

from segue.memory import MemoryKind
from segue.policy.prompt_marks import PromptMarks
from tests.kit.waiting import wait_until
from tests.loop.fake_rig import FakeRig, Sizes, text

PROMPT = text(1, 300)
MARKS = PromptMarks(message_ends=(50, 290))


@pytest.fixture
def rig(kind: MemoryKind) -> FakeRig:
    return FakeRig(kind, Sizes(), idle_s=0.0)


def ends(rig: FakeRig) -> set[int]:
    return {checkpoint.n_tokens for checkpoint in rig.loop.call(lambda: list(rig.cache.entries.all())).result()}


def test_they_stand_where_an_edit_starts_from(rig: FakeRig, kind: MemoryKind) -> None:
    rig.ask(PROMPT, 2, marks=MARKS)
    wait_until(lambda: not rig.loop.idle_checkpoints.has_work, "checkpoints inside the message")
    if kind is not MemoryKind.ATTENTION:
        assert 230 in ends(rig)
    rig.check()
    rig.close()


def test_nothing_is_learned_from_what_the_server_reads_for_itself(rig: FakeRig) -> None:
    rig.ask(PROMPT, 60, marks=MARKS)
    wait_until(lambda: not rig.loop.idle_checkpoints.has_work, "checkpoints inside the message")
    found = rig.loop.call(lambda: list(rig.cache.entries.all())).result()
    assert not [checkpoint for checkpoint in found if checkpoint.n_hits or checkpoint.n_forks]
    rig.close()


def test_an_unexpected_error_ends_it_once(
    rig: FakeRig, kind: MemoryKind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with rig.held():
        heard = rig.send(PROMPT, 1, marks=MARKS)
        decode, n_reads = rig.engine.decode, []

        def failing(chunks: object) -> list[tuple[int, ...]]:
            if heard.ended.is_set():
                n_reads.append(1)
                raise RuntimeError("broken")
            return decode(chunks)  # type: ignore[arg-type]

        monkeypatch.setattr(rig.engine, "decode", failing)
    with caplog.at_level(logging.ERROR):
        heard.wait()
        wait_until(lambda: not rig.loop.idle_checkpoints.has_work, "an end of it")
    assert len(n_reads) == (kind is not MemoryKind.ATTENTION)
    rig.check()
    monkeypatch.undo()
    rig.ask(text(2, 40))
    rig.close()


def test_a_request_takes_its_place(rig: FakeRig) -> None:
    for seed in range(12):
        rig.ask(text(seed, 300), 2, marks=MARKS)
        rig.ask(text(seed, 300)[:270] + text(seed + 50, 30), 2, marks=MARKS)
    rig.close()
