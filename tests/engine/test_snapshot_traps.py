"""Where libllama's snapshots of recurrent states (`n_rs_seq`) are wrong, though it says that all went well.

That is why Segue rolls back by marks. Each test asserts the wrong result: one that fails means that libllama has been
mended there, and then the snapshots, which are faster where most drafts hold, are worth another look.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pytest

from segue.engine.base import Chunk, Logits, Tokens
from segue.engine.context import Context
from segue.engine.positions import Positions
from tests.kit.conversation import text
from tests.kit.models import model_path
from tests.kit.snapshots import N_SNAPSHOTS, SnapshotContext, close_contexts, how_far, open_contexts

_N: Final = 150
_WRONG: Final = 1e-2
_NOISE: Final = 1e-5
_GOOD: Final = text(2, 12)
_BAD: Final = text(3, 8)


@dataclass(frozen=True, slots=True)
class Subject:
    """A context with snapshots, and the logits after the prompt and the first good tokens, read one by one."""

    context: SnapshotContext
    wanted: list[Logits]

    def read(self, *parts: Tokens) -> None:
        """Let sequence 0 read the prompt, and then these parts in calls of their own; nothing else is held."""
        for seq in range(self.context.n_seq_max):
            self.context.drop(seq)
        for part in (text(1, _N), *parts):
            self.context.decode([Chunk(0, part)])

    def how_far(self, seq: int, n_good: int) -> float:
        """How far the logits after the next good token are from those of a sequence with `n_good` good ones."""
        return how_far(self.context.next_logits(seq, _GOOD[n_good : n_good + 1]), self.wanted[n_good])


@pytest.fixture(scope="module", params=["qwen35", "lfm2", "lfm2-window"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Each kind of memory of which libllama keeps snapshots."""
    contexts = open_contexts(model_path(request.param))
    plain = contexts[1]
    plain.decode([Chunk(0, text(1, _N))])
    wanted = []
    for token in _GOOD[:6]:
        row = plain.decode([Chunk(0, token[None], (0,))])[0][0]
        wanted.append(plain.logits(row).copy())
    assert contexts[0].n_snapshots == N_SNAPSHOTS
    yield Subject(contexts[0], wanted)
    close_contexts(contexts)


def test_a_tail_is_cut_where_none_of_the_traps_is(subject: Subject) -> None:
    """Otherwise the tests below could not tell anything."""
    context = subject.context
    for n_good in (1, 2, 3):
        subject.read(np.concatenate([_GOOD[:n_good], _BAD[: 4 - n_good]]))
        assert context.cut_tail(0, _N + n_good)
        assert subject.how_far(0, n_good) < _NOISE
    subject.read()
    context.copy(0, 5)
    context.decode([Chunk(0, np.concatenate([_GOOD[:2], _BAD[:2]]))])
    assert context.cut_tail(0, _N + 2)
    assert subject.how_far(0, 2) < _NOISE
    assert subject.how_far(5, 0) < _NOISE


@pytest.mark.parametrize("n_bad", [1, N_SNAPSHOTS])
def test_cutting_as_many_tokens_as_the_last_call_had_is_wrong(subject: Subject, n_bad: int) -> None:
    subject.read(_GOOD[:1], _BAD[:n_bad])
    assert subject.context.cut_tail(0, _N + 1)
    assert subject.how_far(0, 1) > _WRONG


def test_cutting_a_state_that_was_just_loaded_is_wrong(subject: Subject) -> None:
    context = subject.context
    subject.read(_GOOD[:3])
    context.load(context.save(0, partial=False), 4)
    assert context.cut_tail(4, _N + 2)
    assert subject.how_far(4, 2) > _WRONG


def test_cutting_where_a_copy_shares_the_state_ruins_the_copy(subject: Subject) -> None:
    context = subject.context
    subject.read(np.concatenate([_GOOD[:2], _BAD[:2]]))
    context.copy(0, 5)
    assert context.cut_tail(0, _N + 2)
    assert context.span(5) == context.span(0), "the copy moved along"
    context.stand(5, _N + 2)
    assert subject.how_far(5, 2) > _WRONG


def test_a_copy_between_the_cut_and_the_next_call_is_wrong(subject: Subject) -> None:
    context = subject.context
    subject.read(np.concatenate([_GOOD[:2], _BAD[:2]]))
    assert context.cut_tail(0, _N + 2)
    context.copy(0, 5)
    assert subject.how_far(0, 2) < _NOISE
    assert subject.how_far(5, 2) > _WRONG


def _n_wrong(contexts: tuple[SnapshotContext, Context], *, is_equal: bool, seed: int) -> int:
    """Let four sequences verify in shared calls and cut their tails; how many states were wrong afterwards."""
    context, plain = contexts
    rng = np.random.default_rng(seed)
    held = {int(seq): text(int(seq), 20) for seq in rng.permutation(4)}
    for seq, tokens in held.items():
        context.decode([Chunk(seq, tokens)])
    n_wrong = 0
    for _ in range(20):
        seqs = [seq for seq in sorted(held) if rng.random() < 0.7] or [0]
        lengths = rng.integers(2, N_SNAPSHOTS + 2, len(seqs))
        drafts = [text(int(rng.integers(1000)), lengths[0] if is_equal else n) for n in lengths.tolist()]
        context.decode([Chunk(seq, draft) for seq, draft in zip(seqs, drafts, strict=True)])
        for seq, draft in zip(seqs, drafts, strict=True):
            n_kept = int(rng.integers(1, len(draft) + 1))
            assert n_kept == len(draft) or context.cut_tail(seq, len(held[seq]) + n_kept)
            held[seq] = np.concatenate([held[seq], draft[:n_kept]])
        for seq in seqs:
            # Read on in a sequence of its own, so that the lane itself is not disturbed.
            context.load(context.save(seq, partial=False), 14)
            found = context.next_logits(14, _GOOD[:1])
            context.drop(14)
            plain.decode([Chunk(0, held[seq])])
            row = plain.decode([Chunk(0, _GOOD[:1], (0,))])[0][0]
            n_wrong += how_far(found, plain.logits(row)) > _WRONG / 10
            plain.drop(0)
    return n_wrong


@pytest.mark.parametrize(
    ("is_equal", "n_ubatch", "is_wrong"), [(True, 256, False), (False, 256, True), (True, 8, True)]
)
def test_sequences_of_one_call_need_equal_lengths_and_one_physical_batch(
    is_equal: bool, n_ubatch: int, is_wrong: bool
) -> None:
    n_wrong = 0
    for seed in range(2):
        contexts = open_contexts(model_path("qwen35"), n_ubatch=n_ubatch)
        n_wrong += _n_wrong(contexts, is_equal=is_equal, seed=seed)
        close_contexts(contexts)
    assert (n_wrong > 0) == is_wrong


def test_an_image_is_cut_as_if_it_were_one_token() -> None:
    contexts = open_contexts(model_path("qwen35"))
    context, plain = contexts
    image = np.random.default_rng(1).normal(size=(6, context.n_embd)).astype(np.float32)
    for one in contexts:
        one.decode([Chunk(0, text(1, _N))])
    context.decode([Chunk(0, image, positions=Positions(np.zeros(6, np.int32), 3))])
    assert context.cut_tail(0, _N)
    row = plain.decode([Chunk(0, _GOOD[:1], (0,))])[0][0]
    assert how_far(context.next_logits(0, _GOOD[:1]), plain.logits(row)) > _WRONG
    close_contexts(contexts)


@pytest.mark.parametrize("name", ["mamba2", "rwkv7", "falcon-h1"])
def test_other_memories_have_no_snapshots_and_libllama_says_nothing(name: str) -> None:
    contexts = open_contexts(model_path(name))
    assert contexts[0].n_snapshots == 0
    contexts[0].decode([Chunk(0, text(1, 20))])
    assert not contexts[0].cut_tail(0, 19)
    close_contexts(contexts)
