"""A cache directory with something in it."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from segue.storage.directory import Directory
from segue.storage.keys import entry_key
from segue.storage.rows import EntryRow, SegmentRow, Tokens
from tests.storage.making import alone, noise, on_chain

OLD = {"model": "a" * 32, "libllama": "0.3.35"}
NEW = {"model": "a" * 32, "libllama": "0.3.36"}
DAY_S = 86_400.0
NOW = 1_800_000_000.0


def id_of(fingerprint: object, tokens: Tokens) -> str:
    """The id of the checkpoint at the end of a path of the shared namespace."""
    return entry_key(json.dumps(fingerprint, sort_keys=True), "", tokens).hex()


IDS = {
    number: id_of(fingerprint, np.arange(n_tokens, dtype=np.int32))
    for number, (fingerprint, n_tokens) in enumerate(
        [(NEW, 150), (NEW, 75), (NEW, 40), (NEW, 30), (NEW, 10), (OLD, 20)], start=1
    )
}
"""The ids of the checkpoints that `fill` makes."""
NUMBERS = {id_: number for number, id_ in IDS.items()}
KEYS = {number: bytes.fromhex(id_) for number, id_ in IDS.items()}


def add(
    directory: Directory, fingerprint: object, segments: list[SegmentRow], checkpoint: EntryRow, n_own: int = 0
) -> None:
    """Store a checkpoint, with a file of its own if `n_own`; its path is that of `arange`, or of its own tokens."""
    tokens = np.arange(checkpoint.n_tokens, dtype=np.int32) if checkpoint.tokens is None else checkpoint.tokens
    checkpoint = replace(checkpoint, key=bytes.fromhex(id_of(fingerprint, tokens)))
    if n_own:
        name, n_bytes = directory.write_blob([noise(n_own)])
        checkpoint = replace(checkpoint, file=name, n_bytes=n_bytes)
    else:
        checkpoint = replace(checkpoint, n_bytes=0)
    model = directory.index.model_id(json.dumps(fingerprint, sort_keys=True))
    assert directory.index.add(model, segments, checkpoint) == []


def segment(directory: Directory, start: int, n: int, n_bytes: int = 1000) -> SegmentRow:
    name, n_file = directory.write_blob([noise(n_bytes)])
    return SegmentRow("", start, np.arange(start, start + n, dtype=np.int32), name, n_file)


def used(checkpoint: EntryRow, days_ago: float, n_hits: int = 0, *, pinned: bool = False) -> EntryRow:
    at = NOW - days_ago * DAY_S
    return replace(checkpoint, created=at - DAY_S, last_used=at, n_hits=n_hits, pinned=pinned)


def fill(path: Path) -> None:
    """Six checkpoints, numbered as in `IDS`.

    1 and 2 branch at 60 of the first segment, 4 is within it; 5 is pinned, 6 of another model.
    """
    with closing(Directory(path)) as directory:
        trunk = segment(directory, 0, 100)
        add(directory, NEW, [trunk, segment(directory, 100, 50)], used(on_chain(150, has_logits=True), 3, 2), 500)
        add(directory, NEW, [trunk, segment(directory, 60, 20)], used(on_chain(75), 2), 300)
        add(directory, NEW, [], used(alone(40), 40), 200)
        add(directory, NEW, [trunk], used(on_chain(30), 50), 100)
        add(directory, NEW, [], used(alone(10), 60, pinned=True), 100)
        add(directory, OLD, [], used(alone(20), 5), 400)


@contextmanager
def filled(path: Path) -> Iterator[Directory]:
    """A filled directory, locked."""
    fill(path)
    with closing(Directory(path)) as directory:
        yield directory
