import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.storage.errors import DiskError
from segue.storage.index import Index
from segue.storage.rows import stored
from tests.storage.making import alone, on_chain, segment


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "index.sqlite")
    yield index
    index.close()


def test_a_model_keeps_its_number(index: Index, tmp_path: Path) -> None:
    first, second = index.model_id("{a}"), index.model_id("{b}")
    assert index.model_id("{a}") == first != second
    index.close()
    again = Index(tmp_path / "index.sqlite")
    assert again.fingerprints() == {first: "{a}", second: "{b}"}
    again.close()


def test_a_chain_and_its_checkpoint_are_stored(index: Index, tmp_path: Path) -> None:
    model = index.model_id("{}")
    segments = [segment(0, 10, "a"), segment(10, 5, "b")]
    row = on_chain(15, "c", has_logits=True, pinned=True, n_hits=3, cuts=str(2**64 - 1))
    added = index.add(model, segments, row)
    index.close()
    again = Index(tmp_path / "index.sqlite")
    first, second = again.segments(model)
    assert (first.id, second.id) == added.segments
    assert stored(first) == {**stored(segments[0]), "id": first.id}
    assert stored(second) == {**stored(segments[1]), "id": second.id, "parent": first.id}
    (found,) = again.checkpoints(model)
    assert stored(found) == {**stored(row), "id": added.checkpoint, "segment": second.id}
    assert again.files() == {"a": 10, "b": 10, "c": 7}
    assert again.used_bytes() == 27
    again.close()


def test_links_that_are_stored_are_not_stored_again(index: Index) -> None:
    model = index.model_id("{}")
    index.add(model, [segment(0, 10, "a"), segment(10, 5, "b")], on_chain(15))
    trunk = index.segments(model)[0]
    branch = index.add(model, [trunk, segment(4, 5, "c")], on_chain(9))
    assert branch.segments[0] == trunk.id
    inner = index.add(model, [trunk], on_chain(10))
    assert inner.segments == (trunk.id,)
    assert index.add(model, [], on_chain(3, segment=trunk.id)).segments == ()
    below = index.add(model, [segment(9, 1, "d", parent=branch.segments[1])], on_chain(10))
    parents = {row.id: row.parent for row in index.segments(model)}
    assert parents[branch.segments[1]] == trunk.id
    assert parents[below.segments[0]] == branch.segments[1]
    assert len(index.segments(model)) == 4
    assert [row.segment for row in index.checkpoints(model)][1:4] == [branch.segments[1], trunk.id, trunk.id]


def test_models_do_not_mix(index: Index) -> None:
    one, two, _ = (index.model_id(text) for text in ("1", "2", "3"))
    a = index.add(one, [segment(0, 3, "a")], on_chain(3))
    b = index.add(two, [], alone(3, "b"))
    assert [row.id for row in index.segments(one)] == list(a.segments)
    assert index.segments(two) == []
    assert {model: [row.id for row in rows] for model, rows in index.all_checkpoints().items()} == {
        one: [a.checkpoint],
        two: [b.checkpoint],
    }


def test_what_is_removed_frees_what_nothing_else_needs(index: Index) -> None:
    model = index.model_id("{}")
    long = index.add(model, [segment(0, 10, "a"), segment(10, 5, "b"), segment(15, 5, "c")], on_chain(20, "d"))
    trunk = index.segments(model)[0]
    short = index.add(model, [trunk, segment(10, 2, "e")], on_chain(12, "f"))
    inner = index.add(model, index.segments(model)[:2], on_chain(15))
    assert sorted(index.remove([long.checkpoint])) == ["c", "d"]
    assert sorted(index.remove([inner.checkpoint])) == ["b"]
    assert index.remove([inner.checkpoint, 999]) == []
    assert sorted(index.remove([short.checkpoint])) == ["a", "e", "f"]
    assert index.segments(model) == []
    assert index.files() == {}
    assert index.used_bytes() == 0


def test_all_or_nothing(index: Index) -> None:
    model = index.model_id("{}")
    index.add(model, [], alone(1, "a"))
    for segments, row in (
        ([segment(0, 3, "b"), segment(3, 3, "c")], on_chain(6, "a")),
        ([segment(0, 3, "b"), segment(3, 3, "b")], on_chain(6)),
        ([segment(0, 3, "b", parent=7)], on_chain(3)),
        ([], on_chain(3)),
        ([segment(0, 3, "b")], alone(3)),
    ):
        with pytest.raises(DiskError, match="cannot use the index"):
            index.add(model, segments, row)
        assert index.segments(model) == []
        assert index.files() == {"a": 7}
    with pytest.raises(DiskError):
        index.add(99, [], alone(1))


def test_notes_on_a_checkpoint(index: Index) -> None:
    model = index.model_id("{}")
    one, other = (index.add(model, [], alone(1)).checkpoint for _ in range(2))
    index.touch(one, 1e9, 4)
    index.pin(one, True)
    index.touch(one, 5.0, 5)
    first, second = index.checkpoints(model)
    assert (first.id, first.last_used, first.n_hits, first.pinned) == (one, 5.0, 5, True)
    assert (second.id, second.last_used, second.n_hits, second.pinned) == (other, 2.5, 0, False)
    index.pin(one, False)
    assert not index.checkpoints(model)[0].pinned
    index.touch(999, 1.0, 1)


def test_many_threads(index: Index) -> None:
    model = index.model_id("{}")
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            for i in range(20):
                name = f"{number}-{i}"
                added = index.add(model, [segment(0, 3, name)], on_chain(3))
                index.touch(added.checkpoint, 1.0, i)
                index.checkpoints(model)
                if i % 2:
                    assert index.remove([added.checkpoint]) == [name]
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(index.checkpoints(model)) == len(index.segments(model)) == 40


def test_a_full_disk(index: Index) -> None:
    model = index.model_id("{}")
    index._database.execute("PRAGMA max_page_count = 30")
    with pytest.raises(DiskError, match="the disk is full"):
        index.add(model, [segment(0, 100_000, "a")], on_chain(100_000))
    assert index.segments(model) == []
    index.add(model, [segment(0, 100, "a")], on_chain(100))


def test_an_index_that_is_closed(index: Index) -> None:
    index.close()
    with pytest.raises(DiskError, match="closed"):
        index.files()


def test_damage_that_shows_later(index: Index) -> None:
    def fail(*_: object) -> None:
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    with pytest.raises(DiskError, match="it is damaged"), index._explained():
        fail()


Step = tuple[bool, int, int]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=25))
def test_only_what_is_needed_stays(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    index = Index(tmp_path_factory.mktemp("index") / "index.sqlite")
    model = index.model_id("{}")
    parents: dict[int, int | None] = {}
    names: dict[int, str] = {}
    tops: dict[int, int] = {}
    for number, (is_removal, a, b) in enumerate(steps):
        if is_removal and tops:
            gone = sorted(tops)[a % len(tops)]
            files = index.remove([gone])
            del tops[gone]
            needed: set[int] = set()
            for top in tops.values():
                at: int | None = top
                while at is not None:
                    needed.add(at)
                    at = parents[at]
            dead = parents.keys() - needed
            assert sorted(files) == sorted([f"c{gone}", *(names[one] for one in dead)])
            for one in dead:
                del parents[one], names[one]
        else:
            parent = [None, *sorted(parents)][a % (len(parents) + 1)]
            start = 0 if parent is None else next(row.end for row in index.segments(model) if row.id == parent)
            segments = [segment(start + i, 1, f"l{number}-{i}", parent=parent) for i in range(1 + b % 3)]
            name = f"c{max((row.id or 0 for row in index.checkpoints(model)), default=0) + 1}"
            added = index.add(model, segments, on_chain(start + len(segments), name))
            assert name == f"c{added.checkpoint}"
            for i, one in enumerate(added.segments):
                parents[one], names[one] = parent, segments[i].file
                parent = one
            tops[added.checkpoint] = added.segments[-1]
        assert {row.id: row.parent for row in index.segments(model)} == parents
        assert index.files().keys() == {f"c{top}" for top in tops} | set(names.values())
    index.close()
