"""The forms in which a chat template takes the content of messages, found by trying it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from segue.chat.template.order import FIRST, SECOND, Message, Speaker

_ROLES: Final = ("system", "user", "assistant", "tool")
_NO_ROLE: Final = "segue"
_RESPONSES: Final = "tool_responses"


@dataclass(frozen=True, slots=True)
class ContentForm:
    """The defaults suit a template about which nothing was found.

    `list_roles`: a message by one of these may hold a list of parts, all of which are written. `writes_reasoning`: the
    reasoning of a last message is written. `takes_thoughts`: it is a part of type `thinking`. `takes_responses`:
    results of tools stand in the message with the calls, as its `tool_responses`.
    """

    list_roles: frozenset[str] = frozenset()
    writes_reasoning: bool = False
    takes_thoughts: bool = False
    takes_responses: bool = False


def find_content_form(
    source: str, say: Speaker, render: Callable[[Sequence[Message]], str], reasoning_field: str
) -> ContentForm:
    """The form of the template `source`, which `render` runs; it gives an empty text where the template refuses."""
    user, reply = say("user"), say("assistant")

    def writes_list(role: str) -> bool:
        spoken = {**say(role), "content": [text_part(FIRST), text_part(SECOND)]}
        messages = {
            "system": [spoken, user],
            "user": [spoken],
            "assistant": [user, spoken, user],
            "tool": [user, say.call(("call00001",), {"key": "x"}), {**say.result(""), **spoken}, reply, user],
        }
        return _is_written(render(messages[role]))

    in_field = {**say("assistant", SECOND), reasoning_field: FIRST}
    in_parts = {**reply, "content": [thought_part(FIRST), text_part(SECOND)]}
    has_field = FIRST in render([user, in_field])
    takes_thoughts = not has_field and _is_written(render([user, in_parts, user]))
    return ContentForm(
        frozenset(role for role in _ROLES if writes_list(role)),
        writes_reasoning=has_field or takes_thoughts,
        takes_thoughts=takes_thoughts,
        takes_responses=_RESPONSES in source and _takes_responses(say, render),
    )


def text_part(text: str) -> Message:
    """A part that is text."""
    return {"type": "text", "text": text}


def thought_part(text: str) -> Message:
    """A part that is a thought."""
    return {"type": "thinking", "thinking": text}


def _is_written(text: str) -> bool:
    """Whether both parts of a list were written, in their order, and as they are."""
    _, first, rest = text.partition(FIRST)
    between, second, _ = rest.partition(SECOND)
    return bool(first and second) and not any(f"{quote}type{quote}" in between for quote in "'\"")


def _takes_responses(say: Speaker, render: Callable[[Sequence[Message]], str]) -> bool:
    """Whether a template writes `tool_responses`, and a message by a tool as it would one by anybody."""
    user, call = say("user"), say.call(("call00001",), {"key": "x"})
    responses: list[Mapping[str, Any]] = [{"name": "trial", "response": SECOND}]
    if SECOND not in render([user, {**call, _RESPONSES: responses}, user]):
        return False
    by_tool, by_nobody = (
        render([user, call, {**say.result(SECOND), "role": role}, user]) for role in ("tool", _NO_ROLE)
    )
    return SECOND in by_tool and by_tool.replace("tool", _NO_ROLE) == by_nobody.replace("tool", _NO_ROLE)
