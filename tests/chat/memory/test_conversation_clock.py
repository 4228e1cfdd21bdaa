"""The time that a conversation is told."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from segue.chat.memory.conversation_clock import RETRY_S, ConversationClock
from segue.chat.memory.side_store import SideStore

START, DAY = 1_000_000, 86_400
SYSTEM = {"role": "system", "content": "You are kind."}
HELLO = {"role": "user", "content": "Hello"}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@dataclass
class Desk:
    """ConversationClock with a clock that a test moves."""

    path: Path | None = None
    now: float = START + 0.9
    side_store: SideStore = field(init=False)

    def __post_init__(self) -> None:
        self.side_store = SideStore(self.path, 1 << 20)
        self.clock = ConversationClock(self.side_store, lambda: self.now)

    def of(self, *messages: dict[str, Any], namespace: str = "") -> int:
        return self.clock.of(namespace, messages)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.side_store.close()


def test_all_turns_of_a_conversation_have_the_moment_of_the_first(desk: Desk) -> None:
    messages = [SYSTEM, HELLO]
    assert desk.of(*messages) == START
    for turn in range(5):
        desk.now += DAY
        messages += [said(f"reply {turn}"), user(f"and {turn}?")]
        assert desk.of(*messages) == START
        assert desk.of(*messages) == START, "asked once more"


def test_a_call_and_its_result_go_on_with_it(desk: Desk) -> None:
    assert desk.of(SYSTEM, HELLO) == START
    desk.now += DAY
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "look", "arguments": "{}"}}]}
    assert desk.of(SYSTEM, HELLO, call, {"role": "tool", "content": "a door"}) == START


def test_a_new_conversation_has_the_present_moment(desk: Desk) -> None:
    desk.of(SYSTEM, HELLO)
    desk.now += 10
    assert desk.of(SYSTEM, user("Good day")) == START + 10
    assert desk.of({"role": "system", "content": "You are not."}, HELLO) == START + 10


def test_the_same_beginning_is_the_same_conversation_for_a_short_while(desk: Desk) -> None:
    assert desk.of(SYSTEM, HELLO) == START
    desk.now += RETRY_S - 1
    assert desk.of(SYSTEM, HELLO) == START
    desk.now += 1
    assert desk.of(SYSTEM, HELLO) == START + RETRY_S, "retries do not put it off"


def test_the_same_beginning_on_the_next_day_is_another_conversation(desk: Desk) -> None:
    desk.of(SYSTEM, HELLO)
    desk.of(SYSTEM, HELLO, said("one"), user("so?"))
    desk.now += DAY
    assert desk.of(SYSTEM, HELLO) == START + DAY
    assert desk.of(SYSTEM, HELLO, said("two"), user("well?")) == START + DAY
    assert desk.of(SYSTEM, HELLO, said("one"), user("so?"), said("yes"), user("no?")) == START


def test_examples_that_the_client_wrote_are_no_conversation(desk: Desk) -> None:
    examples = [SYSTEM, user("2 + 2"), said("4")]
    assert desk.of(*examples, user("3 + 3")) == START
    desk.now += DAY
    assert desk.of(*examples, user("3 + 3")) == START + DAY
    assert desk.of(*examples, user("5 + 5")) == START + DAY


def test_a_reply_that_the_client_began_is_not_a_reply(desk: Desk) -> None:
    assert desk.of(SYSTEM, HELLO, said("Good")) == START
    desk.now += DAY
    assert desk.of(SYSTEM, HELLO, said("Good")) == START + DAY
    desk.now += DAY
    assert desk.of(SYSTEM, HELLO, said("Good evening"), user("so?")) == START + DAY


def test_other_words_for_the_reply_do_not_matter(desk: Desk) -> None:
    desk.of(SYSTEM, HELLO)
    desk.now += DAY
    assert desk.of(SYSTEM, HELLO, said("whatever the client made of it"), user("so?")) == START


def test_namespaces_know_nothing_of_each_other(desk: Desk) -> None:
    desk.of(SYSTEM, HELLO, namespace="a")
    desk.now += 10
    assert desk.of(SYSTEM, HELLO, namespace="b") == START + 10
    assert desk.of(SYSTEM, HELLO, said("Good"), user("so?"), namespace="b") == START + 10
    assert desk.of(SYSTEM, HELLO, said("Good"), user("so?"), namespace="a") == START


def test_a_moment_that_is_still_to_come_is_not_believed(desk: Desk) -> None:
    desk.of(SYSTEM, HELLO)
    desk.now -= DAY
    assert desk.of(SYSTEM, HELLO, said("Good"), user("so?")) == START - DAY


def test_a_reply_alone_is_a_conversation(desk: Desk) -> None:
    assert desk.of(said("Good")) == START


def test_it_outlives_the_process(tmp_path: Path) -> None:
    first = Desk(tmp_path / "notes")
    first.of(SYSTEM, HELLO)
    first.side_store.close()
    second = Desk(tmp_path / "notes", START + DAY)
    assert second.of(SYSTEM, HELLO, said("Good"), user("so?")) == START
    second.side_store.close()
