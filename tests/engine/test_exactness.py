"""Restored is exactly what was saved: the state cell by cell, then the logits, on every kind and from every tier."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pytest

from segue.engine.base import LAST_ROW, Chunk, Logits
from segue.engine.cells import joined
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.state import Cells as StoredCells
from segue.engine.state import State, part_of
from segue.memory import MemoryKind, MemoryShape
from tests.kit.conversation import Tokens, text
from tests.kit.models import MODELS, gemma3_270m_path, model_path, names_where
from tests.kit.rig import EXACT
from tests.kit.states import Cells, cells

N_A, N_B = 333, 90
CLOSE = 1e-5


@dataclass(frozen=True)
class Subject:
    """A model, and what reading `a` and then `b` gives in a context where nothing else ever was."""

    model: Model
    params: ContextParams
    shape: MemoryShape

    def context(self) -> Context:
        return Context(self.model, self.params, self.shape)

    @cached_property
    def reference(self) -> "Reference":
        context = self.context()
        a, b = text(1, N_A), text(2, N_B)
        read(context, 0, a)
        before = state(context, 0)
        want = read(context, 0, b)
        reference = Reference(before, want, noise(context, a, b, want))
        context.close()
        return reference


@dataclass(frozen=True, slots=True)
class Reference:
    """The state after `a`, the logits after `a` and `b`, and how far those move though nothing was restored."""

    state: list[Cells]
    logits: Logits
    close: float


@pytest.fixture(scope="module", params=[*MODELS, "gemma3-270m"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    model = Model(gemma3_270m_path() if request.param == "gemma3-270m" else model_path(request.param))
    params = ContextParams(n_cells=4096, n_seq_max=8, n_batch=512, n_ubatch=512, **EXACT)
    yield Subject(model, params, measure(model, params))
    model.close()


@pytest.fixture
def context(subject: Subject) -> Iterator[Context]:
    """A context of the model to restore in."""
    context = subject.context()
    yield context
    context.close()


def read(context: Context, seq: int, tokens: Tokens, *splits: int) -> Logits:
    """Read tokens, split at these counts; the logits after the last."""
    row = -1
    for start, end in pairwise([0, *splits, len(tokens)]):
        row = context.decode([Chunk(seq, tokens[start:end], LAST_ROW)])[0][0]
    return context.logits(row).copy()


def state(context: Context, seq: int) -> list[Cells]:
    """The whole state of a sequence by position."""
    has_ext = context.model.description.startswith("qwen35")
    return cells(context.save(seq, partial=False), context.shape.kind, has_ext=has_ext)


def partial(context: Context, seq: int) -> State | None:
    """The part of a state that cannot be borrowed; none for plain attention."""
    return None if context.shape.kind is MemoryKind.ATTENTION else context.save(seq, partial=True)


def parked(context: Context, a: Tokens) -> None:
    read(context, 0, a)
    context.copy(0, 5, trims_window=True)
    read(context, 0, text(9, 200))
    context.drop(0)
    context.copy(5, 0)


def borrowed(context: Context, a: Tokens) -> None:
    read(context, 0, a)
    part = partial(context, 0)
    read(context, 0, text(9, 200))
    if context.shape.kind.shares_cells:
        context.borrow(0, 1, N_A, part)
    else:
        assert part is not None
        context.load(part, 1)
    context.drop(0)
    context.copy(1, 0)
    context.drop(1)


def whole(context: Context, a: Tokens) -> None:
    read(context, 3, a)
    saved = context.save(3, partial=False)
    read(context, 3, text(9, 200))
    context.drop(3)
    context.load(saved, 0)


def borrowed_from_whole(context: Context, a: Tokens) -> None:
    read(context, 3, a)
    part = partial(context, 3)
    read(context, 3, text(9, 200))
    saved = context.save(3, partial=False)
    context.drop(3)
    context.load(saved, 2)
    if context.shape.kind.shares_cells:
        context.borrow(2, 0, N_A, part)
    else:
        assert part is not None
        context.load(part, 0)
    context.drop(2)


def stored(context: Context, a: Tokens) -> tuple[list[StoredCells], State | None]:
    """What a chain keeps of `a`, taken from a sequence that has moved on; the first part is cut from a longer one."""
    read(context, 3, a)
    part = partial(context, 3)
    read(context, 3, text(9, 200))
    cells = [context.save_cells(3, start, end, 4) for start, end in ((0, 180), (120, 121), (121, 140), (140, N_A))]
    cells[0] = context.cut(cells[0], 120)
    context.drop(3)
    return cells, part


def chained(context: Context, a: Tokens) -> None:
    if not context.shape.kind.shares_cells:
        whole(context, a)
        return
    cells, part = stored(context, a)
    for one in cells:
        context.put_cells(0, [one], one.end, part, 4)
    if part is not None and context.shape.kind.has_window:
        context.put_state(0, part)


def chained_and_joined(context: Context, a: Tokens) -> None:
    if not context.shape.kind.shares_cells:
        whole(context, a)
        return
    cells, part = stored(context, a)
    context.put_cells(0, cells[:3], 130, part, 4)
    context.put_cells(0, cells[2:], N_A, part, 4)
    if part is not None and context.shape.kind.has_window:
        context.put_state(0, part)


def rolled_back(context: Context, a: Tokens) -> None:
    read(context, 0, a)
    mark = context.mark(0, 5)
    read(context, 0, text(9, 200), 4, 8)
    context.roll_back(0, mark)
    context.release(mark)


RESTORES = [parked, rolled_back, borrowed, whole, borrowed_from_whole, chained, chained_and_joined]


@pytest.mark.parametrize("restore", RESTORES)
def test_a_restored_state_is_the_saved_one(
    subject: Subject, context: Context, restore: Callable[[Context, Tokens], None]
) -> None:
    restore(context, text(1, N_A))
    assert context.length(0) == N_A
    assert state(context, 0) == subject.reference.state
    got = read(context, 0, text(2, N_B))
    assert np.abs(got - subject.reference.logits).max() <= subject.reference.close


# A restored window lies in other cells than one that slid there; --reproducible evens that out.
@pytest.mark.parametrize("subject", names_where(lambda kind: not kind.has_window), indirect=True)
def test_in_an_otherwise_equal_cache_logits_are_the_same_bit_for_bit(subject: Subject, context: Context) -> None:
    read(context, 0, text(1, N_A))
    saved = context.save(0, partial=False)
    context.drop(0)
    context.load(saved, 0)
    assert np.array_equal(read(context, 0, text(2, N_B)), subject.reference.logits)


# A single token is read by other kernels than several, and a window is copied to other cells.
@pytest.mark.parametrize("subject", names_where(lambda kind: not kind.has_window), indirect=True)
@pytest.mark.parametrize("n_kept", [2, 3])
def test_tokens_read_again_after_rolling_back_are_as_if_read_once(
    subject: Subject, context: Context, n_kept: int
) -> None:
    read(context, 0, text(1, N_A))
    mark = context.mark(0, 5)
    draft = text(2, 4)
    read(context, 0, draft)
    context.roll_back(0, mark)
    got = read(context, 0, draft[:n_kept])
    alone = subject.context()
    read(alone, 0, text(1, N_A))
    assert np.array_equal(got, read(alone, 0, draft[:n_kept]))
    assert state(context, 0) == state(alone, 0)
    alone.close()


@pytest.mark.parametrize("subject", [*names_where(lambda kind: kind.shares_cells), "gemma3-270m"], indirect=True)
@pytest.mark.usefixtures("subject")
def test_stored_cells_take_what_was_measured(context: Context) -> None:
    read(context, 0, text(1, N_A))
    for start, end in ((0, N_A), (0, 1), (100, 250)):
        cells = context.save_cells(0, start, end, 4)
        assert cells.n_bytes == context.shape.n_bytes_segment + (end - start) * context.shape.n_bytes_cell
    pieces = joined([part_of(context.save_cells(0, *ends, 4)) for ends in ((0, 100), (100, 250))])
    assert sum(map(len, pieces)) == context.shape.n_bytes_segment + 250 * context.shape.n_bytes_cell
    assert context.length(4) == 0
    assert context.span(4) == (-1, -1)


def test_another_path_s_state_is_seen(subject: Subject, context: Context) -> None:
    read(context, 0, np.append(text(1, N_A)[:-64], text(3, 64)))
    other = state(context, 0)
    got = read(context, 0, text(2, N_B))
    assert other != subject.reference.state
    assert np.abs(got - subject.reference.logits).max() > subject.reference.close


def noise(context: Context, a: Tokens, b: Tokens, want: Logits) -> float:
    """How far logits move, nothing restored, when others lie in the cache: attention adds in another order.

    1e-5 of the largest for plain models; quantised weights round activations to 8 bits, and Gemma's norms magnify.
    """
    moved = 0.0
    for seq, n_other in ((1, 150), (2, 77), (3, 301)):
        context.drop(0)
        read(context, seq, text(seq + 20, n_other))
        read(context, 0, a)
        moved = max(moved, float(np.abs(read(context, 0, b) - want).max()))
    return max(CLOSE * float(np.abs(want).max()), 3 * moved)
