"""Messages in a sequence that the template takes, whatever sequence a client has them in.

An agent's history comes back with every turn, so what a template refuses would end the session. Each rule looks at
what came before, so a prompt stays as it was while its conversation grows; what a template takes is left alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from segue.chat.template.dialect import REASONING_FIELDS
from segue.chat.template.exchanges import one_call_each, retold, with_ids, with_short_ids, without_strays
from segue.chat.template.order import Order
from segue.chat.template.turns import Turn, turn_by

SILENCE = "..."
"""Stands for the assistant where it said nothing and the template wants something."""
BETWEEN = "\n\n"
"""Separates messages that become one."""
_TAG = "<|channel|>"


def arranged(turns: Sequence[Turn], order: Order, *, needs_user: bool, n_told: int) -> list[Turn]:
    """The turns behind the system prompt in a sequence that a template of this `order` takes.

    `needs_user`: they must begin with the user. `n_told` are all messages of the client.
    """
    found = list(turns if order.takes_missing_ids else with_ids(turns))
    if not order.takes_results:
        found = [retold(turn) for turn in found]
    elif not order.takes_stray_results:
        found = list(without_strays(found))
    if not order.takes_several_calls:
        found = list(one_call_each(found))
    if needs_user and (not found or found[0].role != "user"):
        found.insert(0, turn_by("user", "", found[0].origin if found else n_told - 1))
    if not order.takes_any_order:
        found = _alternating(found)
    if not order.takes_silence:
        found = [turn.saying(SILENCE) if _is_silent(turn) else turn for turn in found]
    if not order.takes_channel_tags:
        found = [_without_tags(turn) for turn in found]
    if not order.takes_any_id:
        found = [with_short_ids(turn) for turn in found]
    return found


def _alternating(turns: Iterable[Turn]) -> list[Turn]:
    """User and assistant by turns; calls and their results, which stand between two turns, do not count.

    Neighbours become one message. Where a call or a result lies between them, the other side says nothing there.
    """
    found: list[Turn] = []
    counted = "assistant"
    for turn in turns:
        before = found[-1] if found else None
        if turn.calls and before is not None and before.role == "assistant" and not before.calls:
            found[-1] = _merged(before, turn)
            counted = "user"
            continue
        if turn.role not in ("user", "assistant") or turn.calls:
            found.append(turn)
            continue
        if turn.role == counted:
            if before is not None and before.role == turn.role and not before.calls:
                found[-1] = _merged(before, turn)
                continue
            found.append(
                turn_by("user", "", turn.origin)
                if counted == "assistant"
                else turn_by("assistant", SILENCE, turn.origin)
            )
        counted = turn.role
        found.append(turn)
    return found


def _merged(first: Turn, second: Turn) -> Turn:
    """Two messages by one role as one."""
    message = {**first.message, **second.message}
    for field in ("content", *REASONING_FIELDS):
        texts = [turn.message[field] for turn in (first, second) if turn.message.get(field)]
        if texts:
            message[field] = BETWEEN.join(texts)
    return Turn(message, first.origin)


def _is_silent(turn: Turn) -> bool:
    return turn.role == "assistant" and not turn.calls and not turn.text.strip()


def _without_tags(turn: Turn) -> Turn:
    """The assistant's text without tags that only a faulty reply can contain."""
    if turn.role != "assistant":
        return turn
    message = {k: v.replace(_TAG, "") if isinstance(v, str) else v for k, v in turn.message.items()}
    return replace(turn, message=message, parts=tuple(part.replace(_TAG, "") for part in turn.parts))
