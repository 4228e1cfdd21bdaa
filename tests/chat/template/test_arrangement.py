"""Histories of every kind, in templates that refuse them."""

import random
from functools import cache

import pytest

from segue.chat.template.arrangement import SILENCE
from segue.chat.template.order import Message, Order
from segue.chat.template.template import ChatTemplate
from tests.kit.families import FAMILIES
from tests.kit.strict import STRICT

NO_USER = ("takes_no_user", "takes_no_user_with_tools")
REFUSED = {
    "late-system": {"takes_second_system"},
    "no-user": {*NO_USER, "takes_system_alone", "takes_system_alone_with_tools"},
    "tools-need-user": {"takes_system_alone_with_tools"},
    "order": {*NO_USER, "takes_reply_first", "takes_any_order"},
    "no-tools": {
        *NO_USER,
        "takes_second_system",
        "takes_reply_first",
        "takes_any_order",
        "takes_results",
        "takes_stray_results",
    },
    "stray": {"takes_stray_results"},
    "several": {"takes_several_calls"},
    "ids": {"takes_any_id", "takes_missing_ids"},
    "missing-ids": {"takes_missing_ids"},
    "arguments": {"takes_text_arguments"},
    "silence": {"takes_silence"},
    "tags": {"takes_channel_tags"},
    "all": set(Order.__slots__) - {"takes_results"},
}
U: Message = {"role": "user", "content": "U"}
A: Message = {"role": "assistant", "content": "A"}
S: Message = {"role": "system", "content": "S"}


@cache
def template(name: str) -> ChatTemplate:
    return ChatTemplate(STRICT[name], "", "")


def call(*ids: str, arguments: object = '{"x": 1}', content: str | None = None) -> Message:
    calls = [{"id": i, "type": "function", "function": {"name": f"f{i[-1]}", "arguments": arguments}} for i in ids]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def result(number: str, text: str = "R") -> Message:
    return {"role": "tool", "tool_call_id": number, "content": text}


def said(name: str, *messages: Message) -> list[tuple[str, str]]:
    """The messages that the template wrote: role and content."""
    text = template(name).render(messages, add_generation_prompt=False).text
    pieces = [piece.removesuffix("<|im_end|>\n") for piece in text.split("<|im_start|>")[1:]]
    return [(role, content) for role, _, content in (piece.partition("\n") for piece in pieces)]


@pytest.mark.parametrize("name", STRICT)
def test_what_is_refused_is_found_out(name: str) -> None:
    order = template(name).dialect.order
    assert {trait for trait in Order.__slots__ if not getattr(order, trait)} == REFUSED[name]


def test_what_is_taken_is_left_alone() -> None:
    messages = [S, S, A, A, U, U, result("1"), call("long_id_1", "long_id_2", arguments="{"), U, {**A, "content": ""}]
    text = ChatTemplate(FAMILIES["command"], "", "").render(messages).text
    roles = [part.partition(":")[0] for part in text.split("<|turn|>")[1:-2]]
    assert roles == [message["role"] for message in messages]


def test_a_later_system_message_is_the_users() -> None:
    assert said("late-system", S, U, A, S, U) == [
        ("system", "S"),
        ("user", "U"),
        ("assistant", "A"),
        ("user", "S"),
        ("user", "U"),
    ]
    developer = {"role": "developer", "content": "D"}
    assert said("late-system", S, developer, U, developer) == [("system", "S\n\nD"), ("user", "U"), ("user", "D")]
    assert said("all", S, U, A, S, U)[-1] == ("user", "S\n\nU")


def test_a_conversation_without_the_user_gets_an_empty_message_by_it() -> None:
    assert said("no-user", S) == [("system", "S"), ("user", "")]
    assert said("no-user", A) == [("user", ""), ("assistant", "A")]
    assert said("no-user", S, A) == [("system", "S"), ("user", ""), ("assistant", "A")]


def test_a_greeting_by_the_assistant_stands_first_where_the_template_takes_it() -> None:
    greeted = [("system", "S"), ("assistant", "A"), ("user", "U")]
    assert said("no-user", S, A, U) == greeted
    assert said("order", S, A, U) == [greeted[0], ("user", ""), *greeted[1:]]
    assert said("order", S) == [("system", "S")]


def test_with_tools_a_template_may_need_the_user_though_it_does_not_without() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    lone, told = (template("tools-need-user").render([S], tools=offered).text for offered in (None, tools))
    assert lone == "<|im_start|>system\nS<|im_end|>\n<|im_start|>assistant\n"
    assert told == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n"


def test_neighbours_are_one_message_where_roles_must_alternate() -> None:
    assert said("order", U, U, A, A, U) == [("user", "U\n\nU"), ("assistant", "A\n\nA"), ("user", "U")]
    assert said("order", A, U) == [("user", ""), ("assistant", "A"), ("user", "U")]
    wrote = ("assistant", '<call>f1 {"x": 1}')
    assert said("order", U, call("1"), U) == [("user", "U"), wrote, ("assistant", "..."), ("user", "U")]
    assert said("order", U, call("1"), result("1"), A, U)[2:] == [("tool", "R"), ("assistant", "A"), ("user", "U")]
    assert said("order", U, A, call("1"), result("1"), A) == [
        ("user", "U"),
        ("assistant", 'A<call>f1 {"x": 1}'),
        ("tool", "R"),
        ("assistant", "A"),
    ]


def test_thoughts_are_neither_lost_nor_doubled() -> None:
    source = "{% for m in messages %}{{ m.reasoning_content }}|{% endfor %}"
    both = ChatTemplate(STRICT["order"] + source, "", "")
    assert both.render([U, {**A, "reasoning": "a"}, {**A, "thinking": "b"}]).text.endswith("|a\n\nb|")
    split = ChatTemplate(STRICT["several"] + source, "", "")
    thought = {**call("1", "2"), "reasoning_content": "a"}
    assert split.render([U, thought, result("1"), result("2")]).text.endswith("|a||||")


def test_a_result_without_its_call_is_told_by_the_user() -> None:
    told = ("user", "[result of a tool]\nR")
    assert said("stray", result("1"), U, {**result("2"), "name": "f"}) == [
        told,
        ("user", "U"),
        ("user", "[result of f]\nR"),
    ]
    assert said("stray", call("1", "2"), result("1"), result("2"), result("3"), A)[1:4] == 3 * [("tool", "R")]
    assert said("stray", call("1"), A, result("1"))[2] == told


def test_a_template_without_tools_gets_calls_and_results_in_plain_words() -> None:
    assert said("no-tools", U, call("1", content="Look:"), result("1", "a"), result("2", "b"), A) == [
        ("user", "U"),
        ("assistant", 'Look:\n[call of f1: {"x": 1}]'),
        ("user", "[result of a tool]\na\n\n[result of a tool]\nb"),
        ("assistant", "A"),
    ]


def test_several_calls_become_several_messages_with_their_results() -> None:
    wrote = [("assistant", f'<call>f{i} {{"x": 1}}') for i in "12"]
    assert said("several", U, call("1", "2"), result("2", "b"), result("1", "a"), A) == [
        ("user", "U"),
        wrote[0],
        ("tool", "a"),
        wrote[1],
        ("tool", "b"),
        ("assistant", "A"),
    ]
    assert said("several", call("1", "2"), result("1", "a"), U) == [wrote[0], ("tool", "a"), wrote[1], ("user", "U")]
    assert said("several", call("1", "2"), result("9", "a")) == [*wrote, ("tool", "a")]


def without_ids(*messages: Message) -> list[Message]:
    told = []
    for message in messages:
        told.append({key: value for key, value in message.items() if key != "tool_call_id"})
        if "tool_calls" in message:
            told[-1]["tool_calls"] = [{"function": one["function"]} for one in message["tool_calls"]]
    return told


def test_missing_ids_are_made_in_the_order_of_the_calls() -> None:
    turns = without_ids(U, call("1"), result("1", "first"), A, U, call("2", "3"), result("2"), result("3"), A)
    source = """{%- for m in messages %}{% for c in m.tool_calls or [] %}({{ c.id }}){% endfor %}
{%- if m.role == 'tool' %}[{{ m.tool_call_id }}]{% endif %}{% endfor %}"""
    for name in ("ids", "missing-ids"):
        both = ChatTemplate(STRICT[name] + source, "", "")
        for n in range(2, len(turns) + 1):
            text = both.render(turns[:n], add_generation_prompt=False).text
            written = "(call00000)[call00000](call00001)(call00002)[call00001][call00002]"
            assert written.startswith(text.rpartition("\n")[2])
        assert text.endswith(written)
    # A result with an id of its own, one that its call has, and one more than there are calls.
    mixed = [U, call("123456789", "abcdefghi"), result("abcdefghi"), *without_ids(result("x"), result("y")), A]
    text = ChatTemplate(STRICT["ids"] + source, "", "").render(mixed, add_generation_prompt=False).text
    assert text.endswith("(123456789)(abcdefghi)[abcdefghi][123456789][call00002]")


def test_ids_are_made_short() -> None:
    long = "call_0123456789"
    assert said("ids", U, call(long), result(long), call("123456789"), result("123456789"))[2] == ("tool", "R")


def test_arguments_that_are_no_object_are_put_into_one() -> None:
    assert said("arguments", call("1", arguments='{"x": tr')) == [
        ("assistant", '<call>f1 {"arguments": "{\\"x\\": tr"}')
    ]
    assert said("arguments", call("1", arguments=None)) == [("assistant", "<call>f1 {}")]


def test_an_empty_reply_and_tags_of_channels() -> None:
    assert said("silence", U, {"role": "assistant", "content": " \n"}, U)[1] == ("assistant", "...")
    tagged = {"role": "assistant", "content": "<|channel|>analysis<|message|>A"}
    assert said("tags", U, tagged)[1] == ("assistant", "analysis<|message|>A")


def random_messages(rng: random.Random) -> list[Message]:
    """A history as no client should send it; every text in it is its own."""
    messages: list[Message] = []
    ids: list[str] = ["nobody"]
    for number in range(rng.randrange(1, 9)):
        kind = rng.choice(("system", "developer", "user", "assistant", "empty", "call", "tool", "tags"))
        text = f"text{number}."
        if kind == "call":
            made = [f"call_{number}_{i}" for i in range(rng.randrange(1, 4))]
            ids += made
            messages.append(call(*made, arguments=rng.choice(('{"x": 1}', "{", "", "[1]"))))
        elif kind == "tool":
            messages.append(result(rng.choice(ids), text))
        elif kind == "empty":
            messages.append({"role": "assistant", "content": None})
        elif kind == "tags":
            messages.append({"role": "assistant", "content": f"<|channel|>final<|message|>{text}"})
        else:
            messages.append({"role": kind, "content": text})
    return messages


@pytest.mark.parametrize("name", STRICT)
def test_any_history_is_taken_and_nothing_of_it_is_lost(name: str) -> None:
    rng = random.Random(11)
    for _ in range(150):
        messages = random_messages(rng)
        rendered = template(name).render(messages)
        texts = [m["content"][-6:] for m in messages if m["content"]]
        assert all(rendered.text.count(text) == 1 for text in texts), messages
        if not any(message.get("tool_calls") for message in messages):
            places = [rendered.text.index(text) for text in texts]
            assert places == sorted(places), messages
        assert list(rendered.message_ends) == sorted(set(rendered.message_ends))
        assert rendered.message_indices[-1] == len(messages) - 1
        assert list(rendered.message_indices) == sorted(rendered.message_indices)


@pytest.mark.parametrize("name", STRICT)
def test_a_prompt_stays_as_it_was_while_the_conversation_grows(name: str) -> None:
    """But for how its last message ends, to which the next one may have been added."""
    rng = random.Random(12)
    n_grown = 0
    for _ in range(100):
        messages = [*rng.choice(([], [S], [S, U])), *random_messages(rng)]
        texts = [
            template(name).render(messages[:n], add_generation_prompt=False).text for n in range(1, len(messages) + 1)
        ]
        for n, message in enumerate(messages[1:], 1):
            is_leading = all(before["role"] in ("system", "developer") for before in messages[:n])
            # One by the user takes the place of the one that was missing.
            is_missing = name == "no-user" and not any(before["role"] == "user" for before in messages[:n])
            # Results come with the calls that they belong to, before anything is generated.
            if is_leading or is_missing or (message["role"] == "tool" and name in ("several", "all")):
                continue
            before = texts[n - 1].removesuffix("<|im_end|>\n").removesuffix(SILENCE)
            assert texts[n].startswith(before), messages[: n + 1]
            n_grown += 1
    assert n_grown > 100


def test_a_template_whose_trials_take_too_long_gets_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.chat.template.template._TRIALS_S", -1.0)
    assert ChatTemplate(STRICT["all"], "", "").dialect.order == Order()
