"""One stored checkpoint with its chain of segments."""

from dataclasses import dataclass

import numpy as np

from segue.storage.rows import EntryRow, SegmentRow, Tokens


@dataclass(frozen=True, slots=True, eq=False)
class StoredCheckpoint:
    """A checkpoint in the index; `model` is the number of its fingerprint, and `chain` starts at the root."""

    row: EntryRow
    model: int
    chain: tuple[SegmentRow, ...]

    @property
    def id(self) -> str:
        """Its key in hexadecimal, which the commands take and print."""
        return self.row.key.hex()

    @property
    def ends(self) -> tuple[int, ...]:
        """The position up to which it needs each segment: a chain may leave a segment before its end."""
        return (*(segment.start for segment in self.chain[1:]), self.row.n_tokens)[: len(self.chain)]

    def tail(self, n: int) -> Tokens:
        """Its last `n` tokens, or all if it has fewer."""
        if self.row.tokens is not None:
            return self.row.tokens[-n:]
        parts = [segment.tokens[: end - segment.start] for segment, end in zip(self.chain, self.ends, strict=True)]
        return np.concatenate([np.empty(0, np.int32), *parts])[-n:]
