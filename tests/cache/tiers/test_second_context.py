"""A second context survives every tier with what it holds, and nothing above the engine knows of it."""

import json
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import pytest

from segue.cache.snapshot import parse
from segue.memory import MemoryKind, MemoryTraits
from segue.storage import blobfile
from segue.storage.codec import encode
from tests.cache.desk import Desk, Path, array, path
from tests.cache.disk_desk import DiskDesk, serve
from tests.cache.tiers import test_conformance as tiers
from tests.cache.tiers.conformance import MORE, MakeTierDesk
from tests.kit.toy_draft import DRAFT, DraftingEngine, expected_draft
from tests.kit.toy_memory import ToyMemory

LONG = path(4, 90)
"""Long enough for stretches that the draft context has skipped."""


class DraftDesk(Desk):
    """A desk that checks the draft context of every sequence that starts or reads."""

    def open_engine(self, kind: MemoryTraits, **sizes: Any) -> DraftingEngine:
        return DraftingEngine(kind, **sizes)

    def start(self, seq: int, prompt: Path, *, namespace: str = "", use_cache: bool = True) -> bool:
        is_started = super().start(seq, prompt, namespace=namespace, use_cache=use_cache)
        if is_started:
            self.assert_draft(seq)
        return is_started

    def read(self, seq: int, tokens: Path) -> Any:
        logits = super().read(seq, tokens)
        if logits is not None:
            self.assert_draft(seq)
        return logits

    def assert_draft(self, seq: int) -> None:
        """Assert that a sequence has the draft of its path; plain attention keeps no state, and so no row."""
        assert isinstance(self.engine, DraftingEngine)
        found, wanted = self.engine.drafts[seq], expected_draft(self.paths[seq])
        assert found.cells == wanted.cells
        assert found.row == wanted.row or (found.row is None and self.kind.rewinds)


class DraftDiskDesk(DraftDesk, DiskDesk):
    """A desk with a draft context and a disk."""


class LaxDraftDiskDesk(DraftDiskDesk):
    """A desk whose draft context may have missed whatever was read without it."""

    def assert_draft(self, seq: int) -> None:
        assert isinstance(self.engine, DraftingEngine)
        assert self.engine.drafts[seq].cells.items() <= expected_draft(self.paths[seq]).cells.items()


class DraftToyDesk(DraftDesk, tiers.ToyDesk):
    """A desk with a draft context above a dictionary."""


@pytest.fixture(params=[*MemoryKind, pytest.param(ToyMemory(), id="toy")])
def kind(request: pytest.FixtureRequest) -> MemoryTraits:
    kind: MemoryTraits = request.param
    return kind


@pytest.fixture
def directory(tmp_path: File) -> File:
    return tmp_path / "cache"


@pytest.fixture
def desk(kind: MemoryTraits, directory: File) -> Iterator[DraftDiskDesk]:
    desk = DraftDiskDesk(kind, directory)
    yield desk
    desk.end()


class TestDevice(tiers.TestDevice):
    """A draft context, and what is parked."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return DraftDesk


class TestHost(tiers.TestHost):
    """A draft context, and what has been demoted."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return DraftDesk


class TestDisk(tiers.TestDisk):
    """A draft context, and what has been stored."""

    @pytest.fixture
    def make_desk(self, directory: File) -> Iterator[MakeTierDesk]:
        desks: list[DiskDesk] = []

        def make(kind: MemoryTraits, **room: Any) -> DiskDesk:
            desks.append(DraftDiskDesk(kind, directory, **room))
            return desks[-1]

        yield make
        for desk in desks:
            desk.end()


class TestToy(tiers.TestToy):
    """A draft context, and whatever a dictionary holds."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return DraftToyDesk


def test_what_the_draft_context_holds_survives_a_restart(desk: DraftDiskDesk) -> None:
    for n in (20, 50, len(LONG)):
        serve(desk, LONG[:n])
    desk.store()
    desk.restart()
    for n in (50, len(LONG)):
        assert desk.start(0, LONG[:n] + MORE)
        assert len(desk.paths[0]) == n
        assert desk.read(0, MORE) is not None
        desk.release(0)
        desk.check()


def test_what_the_draft_context_holds_survives_in_a_slot_snapshot(desk: DraftDiskDesk, kind: MemoryTraits) -> None:
    for n in (20, 50, len(LONG)):
        serve(desk, LONG[:n])
    desk.restart()
    snapshot = None
    while snapshot is None:
        desk._woken.clear()
        desk.disk.collect()
        snapshot = desk.cache.snapshots.pack("", array(LONG))
        if snapshot is None:
            desk._wait()
    other = DraftDesk(kind)
    assert other.cache.snapshots.unpack("", parse(snapshot.arrays(), snapshot.fingerprint)) == len(LONG)
    other.check()
    for n in (50, len(LONG)):
        assert other.start(0, LONG[:n] + MORE)
        assert len(other.paths[0]) == n
        assert other.read(0, MORE) is not None
        other.release(0)


def test_one_damaged_byte_of_the_draft_context_is_a_miss(desk: DraftDiskDesk) -> None:
    serve(desk, LONG)
    desk.store()
    for file in reversed(desk.files):
        head, *arrays = blobfile.read(file)
        names = json.loads(head.tobytes()).get("parts", [])
        if DRAFT in names:
            content, (_, data) = file.read_bytes(), encode(arrays[names.index(DRAFT)])
            at = content.index(data.tobytes())
            file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            break
    else:
        raise AssertionError("no file has the part")
    desk.restart()
    assert desk.start(0, LONG + MORE)
    assert desk.paths[0] == ()
    assert desk.read(0, LONG + MORE) is not None


@pytest.mark.parametrize("had_draft", [True, False])
def test_a_draft_context_that_comes_or_goes_costs_no_miss(kind: MemoryTraits, directory: File, had_draft: bool) -> None:
    first: type[DiskDesk] = DraftDiskDesk if had_draft else DiskDesk
    desk = first(kind, directory)
    serve(desk, LONG)
    desk.store()
    desk.end()
    second: type[DiskDesk] = DiskDesk if had_draft else LaxDraftDiskDesk
    desk = second(kind, directory)
    assert desk.start(0, LONG + MORE)
    assert desk.paths[0] == LONG
    assert desk.read(0, MORE) is not None
    desk.end()
