"""What is kept of responses, and for how long."""

import json
import random
from typing import Any

import pytest

from segue.api.responses.store import ResponseStore

MIB = 1 << 20


def put(store: ResponseStore, name: str, *, previous: str | None = None, owner: str = "", size: int = 1) -> None:
    output = [{"id": f"msg_{name}", "type": "message", "content": name}]
    inputs = [{"role": "user", "content": "x" * size}]
    store.add(owner, {"id": name, "previous_response_id": previous, "output": output}, inputs)
    store.check_integrity()


def contents(items: list[dict[str, Any]] | None) -> list[Any] | None:
    return None if items is None else [item["content"] for item in items]


def test_a_response_is_given_back_as_it_was() -> None:
    store = ResponseStore(MIB)
    put(store, "a")
    assert json.dumps(store.get("", "a")) == (
        '{"id": "a", "previous_response_id": null, "output": [{"id": "msg_a", "type": "message", "content": "a"}]}'
    )
    assert store.get("", "b") is None
    assert store.item("", "msg_a") == {"id": "msg_a", "type": "message", "content": "a"}
    assert store.item("", "msg_b") is None


def test_a_history_goes_back_to_the_beginning() -> None:
    store = ResponseStore(MIB)
    put(store, "a")
    put(store, "b", previous="a")
    put(store, "c", previous="a")
    put(store, "d", previous="b")
    assert contents(store.history("", "d")) == ["x", "a", "x", "b", "x", "d"]
    assert contents(store.history("", "c")) == ["x", "a", "x", "c"]
    assert store.history("", "e") is None


def test_what_is_deleted_is_gone_and_what_follows_it_cannot_go_on() -> None:
    store = ResponseStore(MIB)
    put(store, "a")
    put(store, "b", previous="a")
    assert store.delete("", "a")
    assert not store.delete("", "a")
    store.check_integrity()
    assert store.get("", "a") is None
    assert store.item("", "msg_a") is None
    assert store.get("", "b") is not None
    assert store.history("", "b") is None


def test_nothing_crosses_owners() -> None:
    store = ResponseStore(MIB)
    put(store, "a", owner="one")
    for owner in ("two", ""):
        assert store.get(owner, "a") is None
        assert store.history(owner, "a") is None
        assert store.item(owner, "msg_a") is None
        assert not store.delete(owner, "a")
    assert store.get("one", "a") is not None


def test_the_one_used_least_recently_goes_first() -> None:
    store = ResponseStore(10_000)
    put(store, "a", size=2000)
    put(store, "b", size=2000)
    store.history("", "a")
    put(store, "c", size=2000)
    assert [store.get("", name) is not None for name in "abc"] == [True, False, True]


def test_a_conversation_outlives_what_nobody_uses_and_loses_its_end_first() -> None:
    store = ResponseStore(10_000)
    put(store, "old", size=2000)
    put(store, "a", size=2000)
    put(store, "b", previous="a", size=2000)
    assert store.get("", "old") is None
    assert contents(store.history("", "b")) is not None
    put(store, "c", size=2000)
    assert [store.get("", name) is not None for name in "abc"] == [True, False, True]


def test_what_is_too_large_is_not_kept_and_pushes_nothing_out() -> None:
    store = ResponseStore(5000)
    put(store, "a")
    put(store, "b", size=5000)
    assert store.get("", "a") is not None
    assert store.get("", "b") is None
    nothing = ResponseStore(0)
    put(nothing, "a")
    assert nothing.get("", "a") is None


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_holds(seed: int) -> None:
    chance, store = random.Random(seed), ResponseStore(30_000)
    names = [str(i) for i in range(200)]
    for i, name in enumerate(names):
        previous = chance.choice([None, *names[max(0, i - 5) : i]])
        put(store, name, previous=previous, owner=chance.choice("ab"), size=chance.randrange(4000))
        store.history(chance.choice("ab"), chance.choice(names))
        if chance.random() < 0.2:
            store.delete(chance.choice("ab"), chance.choice(names))
        store.check_integrity()
