import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.storage.errors import DiskError
from segue.storage.index import Index
from segue.storage.rows import SegmentRow, stored
from tests.storage.making import alone, key, on_chain, segment


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
    row = on_chain(15, "c", has_logits=True, pinned=True, n_hits=3, positions_digest=str(2**64 - 1))
    assert index.add(model, segments, row) == []
    index.close()
    again = Index(tmp_path / "index.sqlite")
    first, second = again.segments(model)
    assert stored(first) == stored(segments[0])
    assert stored(second) == {**stored(segments[1]), "parent": "a"}
    (found,) = again.checkpoints(model)
    assert stored(found) == {**stored(row), "segment": "b"}
    assert again.keys() == {row.key}
    assert again.files() == {"a": 10, "b": 10, "c": 7}
    assert again.used_bytes() == 27
    again.close()


def test_segments_that_are_stored_are_not_stored_again(index: Index) -> None:
    model = index.model_id("{}")
    trunk, branch = segment(0, 10, "a"), segment(4, 5, "c")
    index.add(model, [trunk, segment(10, 5, "b")], on_chain(15))
    before = index.segments(model)
    index.add(model, [trunk, branch], on_chain(9))
    index.add(model, [replace(trunk, n_bytes=99, tokens=trunk.tokens + 1)], on_chain(10))
    index.add(model, [trunk], on_chain(3))
    index.add(model, [trunk, branch, segment(9, 1, "d")], on_chain(10, key=b"another path"))
    assert {row.file: row.parent for row in index.segments(model)} == {"a": None, "b": "a", "c": "a", "d": "c"}
    assert [stored(row) for row in index.segments(model)[:2]] == [stored(row) for row in before]
    assert [row.segment for row in index.checkpoints(model)] == ["b", "c", "a", "a", "d"]


def test_one_of_the_same_key_is_replaced(index: Index) -> None:
    model = index.model_id("{}")
    chain = [segment(0, 10, "a"), segment(10, 5, "b")]
    index.add(model, chain, on_chain(15, "old", n_hits=3, pinned=True))
    index.add(model, chain[:1], on_chain(10, "other"))
    new = on_chain(15, "new", has_logits=True, n_hits=4)
    assert index.add(model, chain, new) == ["old"]
    other, found = index.checkpoints(model)
    assert (other.file, other.segment) == ("other", "a")
    assert stored(found) == {**stored(new), "segment": "b"}
    assert index.files().keys() == {"a", "b", "other", "new"}
    assert index.add(model, chain, on_chain(15)) == ["new"]
    assert index.add(model, chain, on_chain(15)) == []
    assert index.remove([new.key]) == ["b"]


def test_one_of_the_same_key_on_another_chain_takes_its_segments_along(index: Index) -> None:
    model = index.model_id("{}")
    index.add(model, [segment(0, 10, "a"), segment(10, 5, "b"), segment(15, 5, "c")], on_chain(20, "old"))
    chain = [segment(0, 10, "a"), segment(10, 10, "d")]
    assert index.add(model, chain, on_chain(20, "new")) == ["old", "c", "b"]
    assert index.files().keys() == {"a", "d", "new"}
    assert index.add(model, [], alone(20, "alone")) == ["new", "d", "a"]
    assert index.files().keys() == {"alone"}
    assert index.segments(model) == []
    assert index.add(model, chain, on_chain(20)) == ["alone"]


def test_models_do_not_mix(index: Index) -> None:
    one, two, _ = (index.model_id(text) for text in ("1", "2", "3"))
    index.add(one, [segment(0, 3, "a")], on_chain(3))
    index.add(two, [], alone(3, "b", key=b"other"))
    assert [row.file for row in index.segments(one)] == ["a"]
    assert index.segments(two) == []
    assert {model: [row.key for row in rows] for model, rows in index.all_checkpoints().items()} == {
        one: [key(3)],
        two: [b"other"],
    }


def test_what_is_removed_frees_what_nothing_else_needs(index: Index) -> None:
    model = index.model_id("{}")
    trunk, second = segment(0, 10, "a"), segment(10, 5, "b")
    index.add(model, [trunk, second, segment(15, 5, "c")], on_chain(20, "d"))
    index.add(model, [trunk, segment(10, 2, "e")], on_chain(12, "f"))
    index.add(model, [trunk, second], on_chain(15))
    assert index.own_files([key(20), key(15), key(12), b"none"]) == ["d", "f"]
    assert sorted(index.remove([key(20)])) == ["c", "d"]
    assert sorted(index.remove([key(15)])) == ["b"]
    assert index.remove([key(15), b"none"]) == []
    assert sorted(index.remove([key(12), key(12)])) == ["a", "e", "f"]
    assert index.segments(model) == []
    assert index.files() == {}
    assert index.used_bytes() == 0


def test_segments_that_nothing_leads_to(index: Index) -> None:
    model = index.model_id("{}")
    index.remove_loose_segments()
    index.add(model, [segment(0, 10, "a"), segment(10, 5, "b")], on_chain(15))
    index.add(model, [segment(0, 10, "c"), segment(10, 5, "d"), segment(15, 5, "e")], on_chain(20))
    index.add(model, [], alone(3))
    index.remove_loose_segments()
    assert [row.file for row in index.segments(model)] == ["a", "b", "c", "d", "e"]
    index._database.execute("DELETE FROM checkpoints WHERE segment = 'e'")
    index.remove_loose_segments()
    assert [row.file for row in index.segments(model)] == ["a", "b"]
    index._database.execute("UPDATE segments SET parent = 'b' WHERE file = 'a'")
    index.remove_loose_segments()
    assert index.files().keys() == {"a", "b"}
    index.remove([key(15)])
    assert index.files().keys() == {"a", "b"}, "otherwise they are in no circle"
    index.remove_loose_segments()
    assert index.files() == {}


def test_all_or_nothing(index: Index) -> None:
    model = index.model_id("{}")
    index.add(model, [], alone(1, "a"))
    nothing: Any = None
    for segments, row in (
        ([segment(0, 3, "b"), segment(3, 3, "c")], on_chain(6, "a")),
        ([segment(0, 3, "b"), segment(3, 3, "a")], on_chain(6, "a")),
        ([segment(0, 3, "b"), segment(3, 3, "c")], replace(on_chain(1), origin=nothing)),
        ([], on_chain(3)),
        ([segment(0, 3, "b")], alone(3)),
        ([], replace(alone(1, "b"), origin=nothing)),
    ):
        with pytest.raises(DiskError, match="cannot use the index"):
            index.add(model, segments, row)
        assert index.segments(model) == []
        assert index.files() == {"a": 7}
        assert index.keys() == {key(1)}
    with pytest.raises(DiskError):
        index.add(99, [], alone(1))


def test_notes_on_a_checkpoint(index: Index) -> None:
    model = index.model_id("{}")
    index.add(model, [], alone(1))
    index.add(model, [], alone(2))
    index.touch(key(1), 1e9, 4)
    index.pin(key(1), True)
    index.touch(key(1), 5.0, 5)
    first, second = index.checkpoints(model)
    assert (first.key, first.last_used, first.n_hits, first.pinned) == (key(1), 5.0, 5, True)
    assert (second.key, second.last_used, second.n_hits, second.pinned) == (key(2), 2.5, 0, False)
    index.pin(key(1), False)
    assert not index.checkpoints(model)[0].pinned
    index.touch(b"none", 1.0, 1)


def test_many_threads(index: Index) -> None:
    model = index.model_id("{}")
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            for i in range(20):
                name = f"{number}-{i}"
                index.add(model, [segment(0, 3, name)], on_chain(3, key=name.encode()))
                index.touch(name.encode(), 1.0, i)
                index.checkpoints(model)
                if i % 2:
                    assert index.remove([name.encode()]) == [name]
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


Step = tuple[bool, int, int, int]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=25)
)
def test_only_what_is_needed_stays(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    """Checkpoints come, replace each other and go, beside a model of which rows are needed."""
    index = Index(tmp_path_factory.mktemp("index") / "index.sqlite")
    model = index.model_id("{}")
    chains: dict[bytes, list[SegmentRow]] = {}
    own: dict[bytes, str] = {}
    for number, (is_removal, a, b, name) in enumerate(steps):
        before = index.files().keys()
        if is_removal and chains:
            gone = sorted(chains)[a % len(chains)]
            del chains[gone], own[gone]
            files = index.remove([gone])
        else:
            present = {row.file: chain[: i + 1] for chain in chains.values() for i, row in enumerate(chain)}
            chain = [[], *(present[file] for file in sorted(present))][a % (len(present) + 1)]
            start = chain[-1].end if chain else 0
            chain = [*chain, *(segment(start + i, 1, f"l{number}-{i}") for i in range(b % 3 + (not chain)))]
            key_, file = b"%d" % name, f"c{number}"
            files = index.add(model, chain, on_chain(chain[-1].end, file, key=key_))
            chains[key_], own[key_] = chain, file
        expected = {row.file: parent for chain in chains.values() for row, parent in with_parents(chain)}
        assert {row.file: row.parent for row in index.segments(model)} == expected
        assert {row.key: (row.segment, row.file) for row in index.checkpoints(model)} == {
            key_: (chain[-1].file, own[key_]) for key_, chain in chains.items()
        }
        assert index.files().keys() == expected.keys() | set(own.values())
        assert sorted(files) == sorted(before - index.files().keys())
    index.close()


def with_parents(chain: list[SegmentRow]) -> Iterator[tuple[SegmentRow, str | None]]:
    return zip(chain, [None, *(row.file for row in chain)], strict=False)


def test_a_segment_that_has_gone_meanwhile_is_not_named_again(index: Index) -> None:
    model = index.model_id("{}")
    trunk = segment(0, 10, "a")
    index.add(model, [trunk], on_chain(10))
    index.remove([key(10)])
    with pytest.raises(DiskError, match="segment a is gone"):
        index.add(model, [trunk, segment(10, 5, "b")], on_chain(15, "c"), known={"a"})
    assert (index.keys(), index.files()) == (set(), {})


def test_a_row_that_another_has_replaced_stays(index: Index) -> None:
    model = index.model_id("{}")
    old, new = alone(10, "a"), alone(10, "b")
    index.add(model, [], old)
    assert index.add(model, [], new) == ["a"]
    assert index.remove_rows([old]) == []
    assert index.files() == {"b": 7}
    assert index.remove_rows([new]) == ["b"]
    bare = alone(5)
    index.add(model, [], bare)
    assert index.remove_rows([replace(bare, file="c")]) == []
    assert index.remove_rows([bare]) == []
    assert index.keys() == set()
