"""What other models have on disk: kept for when they come back, but not for ever."""

from collections import Counter
from dataclasses import dataclass

from segue.homes.disk.index import Index


@dataclass(frozen=True, slots=True)
class Stranger:
    """A checkpoint of another model, with what its file takes; `last_used` is in wall-clock seconds."""

    id: int
    link: int | None
    n_bytes: int
    last_used: float
    pinned: bool


class Strangers:
    """The checkpoints of all models but one, of which the least recently used goes first, and pinned ones last."""

    def __init__(self, index: Index, model: int) -> None:
        self._rows: list[Stranger] = []
        self._links: dict[int, tuple[int | None, int]] = {}
        self._n_needing: Counter[int | None] = Counter()
        for other in index.fingerprints():
            if other == model:
                continue
            for link in index.links(other):
                assert link.id is not None
                self._links[link.id] = (link.parent, link.n_bytes)
                self._n_needing[link.parent] += 1
            for row in index.checkpoints(other):
                assert row.id is not None
                self._rows.append(Stranger(row.id, row.link, row.n_bytes, row.last_used, row.pinned))
                self._n_needing[row.link] += 1
        self._rows.sort(key=lambda row: (not row.pinned, -row.last_used))

    def first(self) -> Stranger | None:
        """The one that goes next."""
        return self._rows[-1] if self._rows else None

    def pop(self) -> tuple[int, int]:
        """Take the first off; its row, and the bytes that go with it, its own and those of links that it needed."""
        row = self._rows.pop()
        n_bytes, at = row.n_bytes, row.link
        self._n_needing[at] -= 1
        while at is not None and not self._n_needing[at]:
            parent, n_bytes_link = self._links.pop(at)
            n_bytes += n_bytes_link
            at = parent
            self._n_needing[at] -= 1
        return row.id, n_bytes
