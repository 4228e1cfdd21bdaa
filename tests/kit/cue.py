"""A ChatML prompt, read as an actor reads it: what was said last, and what may be called."""

import json
import re
from dataclasses import dataclass

_MESSAGE = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>", re.DOTALL)
_RESULT = "<tool_response>\n"


@dataclass(frozen=True, slots=True)
class Cue:
    """What a prompt asks for. `n_questions` counts messages of the user; `is_result`: the last message is a tool's.

    `thinks`: the reply begins inside the reasoning.
    """

    tools: tuple[str, ...]
    n_questions: int
    is_result: bool
    thinks: bool


def read_cue(prompt: str) -> Cue:
    """Read a prompt that the tiny models' chat template has written."""
    messages = _MESSAGE.findall(prompt)
    # From the end: a client's own text may have such a tag too.
    _, tag, listed = (messages[0][1] if messages else "").rpartition("\n<tools>\n")
    lines = listed.removesuffix("\n</tools>").split("\n") if tag else []
    tools = tuple(json.loads(line)["function"]["name"] for line in lines)
    asked = [text for role, text in messages if role == "user"]
    return Cue(
        tools=tools,
        n_questions=sum(not text.startswith(_RESULT) for text in asked),
        is_result=bool(asked) and asked[-1].startswith(_RESULT),
        thinks=prompt.endswith("<think>\n"),
    )
