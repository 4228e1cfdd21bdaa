"""The engine as the loop and the cache see it: sequences of inputs, their states and their logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from segue.engine.positions import Positions
from segue.engine.sampling import SamplingParams
from segue.engine.state import Cells, State
from segue.memory import MemoryShape

Tokens = NDArray[np.int32]
Embeddings = NDArray[np.float32]
Logits = NDArray[np.float32]
Vector = NDArray[np.float32]

NO_TOKEN: Final = -1
LAST_ROW: Final = (-1,)


@dataclass(frozen=True, slots=True)
class EmbeddingTotals:
    """The totals of embedding: texts, their tokens, and the seconds that this took."""

    n_texts: int = 0
    n_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Inputs that continue sequence `seq`: token ids `[n]`, or embeddings `[n, n_embd]`.

    `logits_for` lists the inputs whose logits are wanted, by ascending index; -1 is the last, as in a list. Without
    `positions` the inputs take the next ones, one each.
    """

    seq: int
    inputs: Tokens | Embeddings = field(repr=False)
    logits_for: tuple[int, ...] = ()
    positions: Positions | None = None

    def offsets(self) -> tuple[int, ...]:
        """The indices of `logits_for`, counted from the first input. Raises ValueError unless they ascend in range."""
        n = len(self.inputs)
        found = tuple(i if i >= 0 else n + i for i in self.logits_for)
        if any(a >= b for a, b in pairwise((-1, *found, n))):
            raise ValueError(f"logits of a batch need ascending indices within its {n} inputs")
        return found


@dataclass(frozen=True, slots=True)
class Mark:
    """A point in a running sequence, after `n_tokens`; `shadow` holds a copy of it, None where a count is enough."""

    n_tokens: int
    shadow: int | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A set of tokens: the ascending `ids`, or, if `is_rest`, all tokens except these."""

    ids: NDArray[np.intp] = field(repr=False)
    is_rest: bool = False

    def tokens(self, n_vocab: int) -> NDArray[np.intp]:
        """The ids of the set itself, ascending."""
        if not self.is_rest:
            return self.ids
        flags = np.ones(n_vocab, np.bool_)
        flags[self.ids] = False
        return np.flatnonzero(flags)


class Mask(Protocol):
    """The tokens that may come next in one reply. Belongs to the engine's thread.

    Any exception ends the reply; a mask raises `MaskError` where its grammar cannot be followed further.
    """

    def choice(self) -> Choice:
        """The tokens that may come next, including those that end the reply once it may end; possibly none."""

    def accept(self, token: int) -> None:
        """Advance the mask by one of the allowed tokens."""


MakeMask = Callable[[], Mask]


class Sampler(Protocol):
    """One request's chain of samplers. Not thread-safe; belongs to the engine's thread.

    With a mask the chain sees the allowed tokens and no others; the logits stay as they are.
    """

    def sample(self, row: int) -> int:
        """Draw the next token from `row` of the last decode, and remember it; NO_TOKEN if none is allowed."""

    def sample_from(self, logits: Logits) -> int:
        """Draw the next token from given logits, and remember it; NO_TOKEN if none is allowed."""

    def accept(self, token: int) -> None:
        """Remember a token that comes next without being drawn. Raises MaskError if the mask's grammar forbids it."""

    def candidates(self, logits: Logits) -> tuple[NDArray[np.int32], Logits]:
        """The token ids that the chain leaves, with their probabilities, best first; changes nothing."""

    def close(self) -> None:
        """Free the chain."""


class Engine(Protocol):
    """A model with its context. Everything here belongs to one thread.

    A sequence has an id in `[0, n_seq_max)` and holds the state after `length(seq)` inputs. Parameters called
    `n_tokens`, `start` or `end` count inputs; only `span`, `position` and names with `pos` are positions. Counts and
    positions are equal unless a chunk set its own positions; splitting a path inside such a chunk raises ValueError.

    What is saved of a sequence has a part for each context that the engine consists of. An engine ignores parts that it
    does not know, and raises StateError if one is missing that it cannot do without.
    """

    shape: MemoryShape
    n_seq_max: int
    n_cells: int
    n_batch: int
    n_ubatch: int
    n_rows_max: int
    n_vocab: int
    n_embd: int
    takes_positions: bool
    is_unified: bool

    def length(self, seq: int) -> int:
        """The number of inputs that `seq` has read; 0 for an empty sequence."""

    def position(self, seq: int) -> int:
        """The position that the next input of `seq` takes."""

    def span(self, seq: int) -> tuple[int, int]:
        """`pos_min` and `pos_max` of the positions that the memory of `seq` holds; -1, -1 if empty."""

    def decode(self, chunks: list[Chunk]) -> list[tuple[int, ...]]:
        """Read all chunks, each of another sequence, in one call; returns the rows of the logits that each asked for.

        Returns once everything is computed, so that the time of a call is the time of its batch.

        A call reads tokens or embeddings, up to `n_batch` of them, with up to `n_rows_max` rows in all. Chunks may set
        positions of their own only if `takes_positions`. Raises ValueError for anything else, with nothing read.
        Raises NoRoomError with nothing changed if the cells are full. On any other failure the sequences of the batch
        are dropped and EngineError is raised.
        """

    def logits(self, row: int) -> Logits:
        """The logits of a row of the last decode, shape `[n_vocab]`; a view, valid until the next decode."""

    def copy(self, src: int, dst: int, *, trims_window: bool = False) -> None:
        """Copy the state of `src` to the empty `dst`, sharing its cells.

        `trims_window` leaves out the window's cells that the next token does not see, so that keeping `dst` pins no
        more than one window. It takes a cell, and the time to copy that; NoRoomError with `dst` empty if none is free.
        """

    def borrow(self, src: int, dst: int, n_tokens: int, state: State | None) -> None:
        """Restore the empty `dst` to `n_tokens` from the attention cells of `src` and a partial state.

        `src` must have read a path that starts with these tokens; `state` is None for plain attention only. Raises
        StateError, with `dst` empty, if `state` is not one of this context.
        """

    def rewind(self, seq: int, n_tokens: int) -> None:
        """Drop the tail of `seq` after `n_tokens`. Raises ValueError where the memory cannot do that: see `mark`."""

    def mark(self, seq: int, shadow: int) -> Mark:
        """Mark the current point of `seq`, so that it can be rolled back to that point on every kind of memory.

        The caller passes an empty sequence `shadow`, another for each mark held, and leaves it alone until `release`.
        If the memory rewinds, the mark is a token count, costs nothing, and is valid until `seq` is emptied or rewound
        to before it, or a `decode` of `seq` fails. Otherwise `shadow` holds a copy: attention cells and those of
        a window are shared, so that those of the mark stay in use; recurrent state takes one of the `n_seq_max` cells,
        which is copied at the next decode. Such a mark is valid until `release`, even if
        `seq` is emptied. Raises ValueError for an empty `seq`, and, unless the memory rewinds, if cells are not
        unified; NoRoomError with `shadow` empty if a window finds no cell to be copied with.
        """

    def roll_back(self, seq: int, mark: Mark) -> None:
        """Restore `seq` to exactly the state at `mark`, any number of times. Needs no room.

        `seq` may differ from the marked sequence if the state was moved to `seq` by `copy`.
        """

    def release(self, mark: Mark) -> None:
        """Forget a mark and empty its shadow. A mark that is never released keeps its shadow in use."""

    def drop(self, seq: int) -> None:
        """Empty `seq`; its cells are freed unless another sequence shares them."""

    def state_bytes(self, seq: int, *, partial: bool) -> int:
        """The size of the state that `save` would return."""

    def save(self, seq: int, *, partial: bool) -> State:
        """Copy the state of `seq` to host memory; `seq` does not change."""

    def load(self, state: State, seq: int) -> None:
        """Load a whole state into the empty `seq`, in cells of its own.

        Raises NoRoomError if there are too few cells, StateError if `state` is not one of this context; `seq` is then
        empty.
        """

    def save_cells(self, seq: int, start: int, end: int, via: int) -> Cells:
        """Copy the attention cells of the tokens `[start, end)` of `seq` to host memory, using the empty `via`.

        The copy takes `n_bytes_segment + (end - start) * n_bytes_cell` bytes, or less where parts lack some of the
        tokens. Raises ValueError if cells are not unified.
        """

    def put_cells(self, seq: int, runs: Sequence[Cells], end: int, state: State | None, via: int) -> None:
        """Extend `seq` with cells up to `end`, using the empty `via` if `seq` already holds some.

        The runs are consecutive, and the first begins no later than the length of `seq`. `state` is the partial state
        that `seq` has in the end, None for plain attention; if the memory has a window, call `put_state` after the last
        cells. Raises NoRoomError if there are too few cells, and StateError if these are not cells of this context,
        both with `via` empty and `seq` unchanged.
        """

    def put_state(self, seq: int, state: State) -> None:
        """Add a partial state to `seq`, which has all its attention cells. Raises the errors of `load`."""

    def cut(self, cells: Cells, end: int, start: int | None = None) -> Cells:
        """Copy the cells before `end`, and from `start` on if it is given; any thread.

        Parts that have no cells there are left out. Raises StateError if these are not cells of this context.
        """

    def sampler(self, params: SamplingParams, prompt: Tokens, mask: Mask | None = None) -> Sampler:
        """A new chain that has seen `prompt` as far as its penalties look back; `mask` has seen no tokens yet."""

    def is_eog(self, token: int) -> bool:
        """Whether a token ends the reply."""
