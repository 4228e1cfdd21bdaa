"""A draft model follows the replies that it drafts for, on every kind of memory."""

from collections.abc import Sequence

import numpy as np
import pytest

from segue.drafting.drafter import DraftRequest, ReplyDrafter, Tokens
from segue.drafting.lengths import Worth
from segue.drafting.model import ModelDrafter, n_sequences
from segue.engine.errors import EngineError
from segue.memory import MemoryKind
from tests.kit.conversation import text
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.fake_engine.numbers import N_VOCAB
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.unmeasured import FreeRows

_N_MOST = 3


class _Draft:
    """A draft model for some replies at once."""

    def __init__(self, kind: MemoryKind, n_slots: int = 2, n_cells: int = 2000, n_vocab: int = N_VOCAB) -> None:
        self.kind = kind
        n_seq = n_sequences(n_slots)
        self.engine = FakeEngine(kind, n_cells=n_cells, n_seq_max=n_seq, n_batch=1024, n_ubatch=1024)
        self.drafter = ModelDrafter(self.engine, n_slots, n_vocab)

    def begin(self, prompt: Tokens, namespace: str = "") -> ReplyDrafter:
        return self.drafter.begin(namespace, prompt, 0)

    def propose(self, *paths: tuple[ReplyDrafter, Tokens]) -> list[list[int]]:
        wanted = [DraftRequest(reply, i, path, _N_MOST) for i, (reply, path) in enumerate(paths)]
        self.drafter.prepare(wanted, Worth(FreeRows(), len(paths), reads_again=False))
        found = []
        for reply, _ in paths:
            draft = reply.propose(_N_MOST)
            found.append([int(token) for token in draft.tokens])
            reply.verified(len(draft.tokens), len(draft.tokens))
        return found

    def expect(self, path: Tokens, n: int) -> list[int]:
        return expected_reply(self.kind, path, n, ignore_eos=False)

    @property
    def n_read(self) -> int:
        return sum(sum(call.values()) for call in self.engine.decoded)


@pytest.fixture(params=MemoryKind)
def draft(request: pytest.FixtureRequest) -> _Draft:
    """A draft model of each kind."""
    return _Draft(request.param)


def _path(seed: int, n: int, *more: Sequence[int] | Tokens) -> Tokens:
    parts = [text(seed, n), *more]
    return np.concatenate([np.array(part, np.int32) % N_VOCAB for part in parts])


def _is_right(draft: _Draft, reply: ReplyDrafter, path: Tokens) -> list[int]:
    (found,) = draft.propose((reply, path))
    assert found
    assert found == draft.expect(path, len(found))
    return found


def test_it_drafts_what_it_would_say_whether_its_drafts_hold_or_not(draft: _Draft) -> None:
    path = _path(1, 100)
    reply = draft.begin(path)
    for i in range(20):
        found = _is_right(draft, reply, path)
        n_held = i % (len(found) + 1)
        path = np.concatenate([path, np.array([*found[:n_held], 7 + i], np.int32)])
    # Where it cannot drop a tail, it reads drafts that held once more.
    assert draft.n_read <= 100 + 20 * (2 * _N_MOST + 1)


def test_replies_beside_each_other_share_calls(draft: _Draft) -> None:
    paths = [_path(1, 60), _path(2, 90)]
    replies = [draft.begin(path) for path in paths]
    for i in range(6):
        n_calls = len(draft.engine.decoded)
        found = draft.propose(*zip(replies, paths, strict=True))
        assert len(draft.engine.decoded) - n_calls == max(map(len, found))
        for j, drafted in enumerate(found):
            assert drafted == draft.expect(paths[j], len(drafted))
            assert drafted
            paths[j] = np.concatenate([paths[j], np.array([*drafted[: (i + j) % 3], 9], np.int32)])


@pytest.mark.parametrize("is_changed", [False, True], ids=["the reply as it was", "the reply in other words"])
def test_the_next_turn_is_not_read_from_its_start(draft: _Draft, is_changed: bool) -> None:
    first, other = _path(1, 300), _path(2, 200)
    reply = draft.begin(first)
    said = _is_right(draft, reply, first)
    reply.close()
    another = draft.begin(other)
    _is_right(draft, another, other)
    another.close()
    path = _path(1, 300, [3] if is_changed else said, text(5, 20))
    reply = draft.begin(path)
    n_before = draft.n_read
    _is_right(draft, reply, path)
    assert draft.n_read - n_before < 20 + 2 * _N_MOST + 2


@pytest.mark.parametrize("n_slots", [1, 2])
def test_what_one_namespace_has_read_drafts_no_sooner_for_another(draft: _Draft, n_slots: int) -> None:
    draft = _Draft(draft.kind, n_slots)
    path = _path(1, 300)
    said: list[int] = []
    n_read = []
    for namespace in ("a", "b", "b", "a"):
        path = np.concatenate([path, np.array(said, np.int32), _path(5, 20)])
        n_before = draft.n_read
        reply = draft.begin(path, namespace)
        said = _is_right(draft, reply, path)
        reply.close()
        n_read.append(draft.n_read - n_before)
    # The third goes on from the second, and the last from the first, if that is still there.
    assert [n >= 300 for n in n_read] == [True, True, False, n_slots == 1]


def test_a_long_prompt_is_read_in_pieces(draft: _Draft) -> None:
    path, short = _path(1, 1200), _path(2, 30)
    long_reply, reply = draft.begin(path), draft.begin(short)
    n_read = []
    for _ in range(3):
        n_before = draft.n_read
        found = draft.propose((reply, short), (long_reply, path))
        n_read.append(draft.n_read - n_before)
    assert max(n_read) < 600
    assert found[1] == draft.expect(path, len(found[1]))
    assert found[1]


def test_what_has_ended_makes_room(draft: _Draft) -> None:
    draft = _Draft(draft.kind, n_cells=150)
    for seed in range(4):
        path = _path(seed, 100)
        reply = draft.begin(path)
        _is_right(draft, reply, path)
        reply.close()


def test_without_room_it_drafts_nothing() -> None:
    draft = _Draft(MemoryKind.ATTENTION, n_cells=100)
    path = _path(1, 120)
    assert draft.propose((draft.begin(path), path)) == [[]]


def test_a_failure_costs_drafts_and_nothing_else(draft: _Draft) -> None:
    path = _path(1, 50)
    reply = draft.begin(path)
    _is_right(draft, reply, path)
    draft.engine.failures.append(EngineError("failed"))
    path = np.append(path, np.int32(5))
    assert draft.propose((reply, path)) == [[]]
    _is_right(draft, reply, path)


def test_tokens_that_only_it_has_are_not_drafted() -> None:
    draft = _Draft(MemoryKind.ATTENTION, n_vocab=20)
    path = _path(1, 50)
    reply = draft.begin(path)
    for _ in range(10):
        (found,) = draft.propose((reply, path))
        assert max(found) < 20
        path = np.append(path, np.int32(found[0]))
