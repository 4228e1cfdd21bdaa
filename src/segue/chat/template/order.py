"""The sequences of messages that a chat template takes, found by trying it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Message = dict[str, Any]
FIRST = "segue-before"
SECOND = "segue-trial"


class Writes(Protocol):
    """Whether a template writes messages in their order: what holds `FIRST`, then what holds `SECOND`."""

    def __call__(self, messages: Sequence[Message], *, has_tools: bool = False) -> bool:
        """Try it, with a tool on offer or without; with one in any case if a message is by a tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The sequences that a template takes besides user and assistant in turns. The defaults refuse nothing.

    `takes_second_system`: it writes a second system message behind the first. `takes_system_alone`: nothing need follow
    it; `takes_no_user`: a message by the assistant may follow it, and none by the user at all; both also
    `..._with_tools`, where some are on offer. `takes_reply_first`: the assistant may begin before the user.
    `takes_any_order`: two messages by one role may follow each other, and the assistant may begin. `takes_results`: it
    writes messages by tools; `takes_stray_results`: without a call before them, too. `takes_several_calls`: in one
    message. `takes_any_id`: a call's id need not have nine letters or digits; `takes_missing_ids`: calls and results
    need none. `takes_text_arguments`: a call's arguments need not be an object. `takes_silence`: an assistant's message
    may be empty. `takes_channel_tags`: an assistant's text may hold the tags of gpt-oss.
    """

    takes_second_system: bool = True
    takes_system_alone: bool = True
    takes_system_alone_with_tools: bool = True
    takes_no_user: bool = True
    takes_no_user_with_tools: bool = True
    takes_reply_first: bool = True
    takes_any_order: bool = True
    takes_results: bool = True
    takes_stray_results: bool = True
    takes_several_calls: bool = True
    takes_any_id: bool = True
    takes_missing_ids: bool = True
    takes_text_arguments: bool = True
    takes_silence: bool = True
    takes_channel_tags: bool = True

    def needs_user(self, roles: Sequence[str], *, has_system: bool, has_tools: bool) -> bool:
        """Whether a message by the user must be put before these `roles`, those of the messages behind any system."""
        if not roles:
            takes = self.takes_system_alone_with_tools if has_tools else self.takes_system_alone
            return has_system and not takes
        if roles[0] == "assistant" and "user" in roles:
            return not self.takes_reply_first
        return roles[0] != "user" and not (self.takes_no_user_with_tools if has_tools else self.takes_no_user)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Writes the messages of a trial in the form that the template takes. `call` takes ids and arguments."""

    content: Callable[[str], object]
    call: Callable[[Sequence[str], object], Message]

    def __call__(self, role: str, text: str = "x") -> Message:
        """A message of `role`."""
        return {"role": role, "content": self.content(text)}

    def result(self, text: str, call_id: str = "call00001") -> Message:
        """A message by a tool."""
        return {**self("tool", text), "tool_call_id": call_id}


def find_order(say: Speaker, writes: Writes, *, takes_system: bool) -> Order:
    """The order of the template that `writes` runs; the defaults for one that does not even write one message."""
    user, reply = say("user"), say("assistant")

    def takes_call(*between: Message, ids: Sequence[str] = ("call00001",), arguments: object = None) -> bool:
        return writes([user, say.call(ids, {"key": "x"} if arguments is None else arguments), *between, reply, user])

    def takes_system_alone(*, has_tools: bool) -> bool:
        return not takes_system or writes([say("system", SECOND)], has_tools=has_tools)

    def takes_no_user(*, has_tools: bool) -> bool:
        begins = [[], [say("system")]] if takes_system else [[]]
        return all(writes([*begin, say("assistant", SECOND)], has_tools=has_tools) for begin in begins)

    first_replies = [[say("assistant", FIRST), say("user", SECOND)]]
    if takes_system:
        first_replies.append([say("system"), *first_replies[0]])
    takes_results = takes_call(say.result(SECOND))
    call = say.call(("call00001",), {"key": "x"})
    two, long_id = ("call00001", "call00002"), "call_segue_trial_01"
    order = Order(
        takes_second_system=not takes_system or writes([say("system", FIRST), say("system", SECOND), user]),
        takes_system_alone=takes_system_alone(has_tools=False),
        takes_system_alone_with_tools=takes_system_alone(has_tools=True),
        takes_no_user=takes_no_user(has_tools=False),
        takes_no_user_with_tools=takes_no_user(has_tools=True),
        takes_reply_first=all(map(writes, first_replies)),
        takes_any_order=writes([say("user", FIRST), say("user", SECOND), reply, user])
        and writes([user, say("assistant", FIRST), say("assistant", SECOND), user])
        and writes([say("assistant", SECOND), user]),
        takes_results=takes_results,
        takes_stray_results=takes_results and writes([user, say.result(SECOND), reply, user]),
        takes_several_calls=not takes_results or takes_call(say.result(FIRST), say.result(SECOND, two[1]), ids=two),
        takes_any_id=not takes_results or takes_call(say.result(SECOND, long_id), ids=(long_id,)),
        takes_missing_ids=not takes_results
        or all(writes([user, *asked, reply, user]) for asked in _without_ids(call, say.result(SECOND))),
        takes_text_arguments=not takes_results
        or takes_call(say.result(SECOND), arguments=f"{FIRST} {{")
        # Some never write a call.
        or not takes_call(say.result(SECOND), arguments={"key": FIRST}),
        takes_silence=writes([user, say("assistant", ""), say("user", SECOND)]),
        takes_channel_tags=writes([user, say("assistant", f"<|channel|>analysis<|message|>{SECOND}"), user]),
    )
    # Where the time for trials ran out, nothing is known.
    return order if writes([say("user", SECOND)]) else Order()


def _without_ids(call: Message, result: Message) -> list[list[Message]]:
    """A call and its result without ids, and with one of the call alone."""
    result = {key: value for key, value in result.items() if key != "tool_call_id"}
    calls = [{key: value for key, value in one.items() if key != "id"} for one in call["tool_calls"]]
    return [[{**call, "tool_calls": calls}, result], [call, result]]
