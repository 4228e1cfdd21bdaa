"""Whether the marks that a chat template writes between turns are tokens of a vocabulary."""

import re
from collections.abc import Container
from typing import Final

from segue.chat.template.sandbox import TemplateError
from segue.chat.template.template import ChatTemplate

_MARK: Final = re.compile(r"<[^<>\s]{2,60}>|\[/?[A-Z_]{3,60}\]")
_REPLY: Final = "segue-trial"


def unknown_mark(template: ChatTemplate, special_pieces: Container[str]) -> str:
    """The first mark behind a reply if none of those there is a special token, so that no reply ends as it should.

    Else empty; so it is where the template writes no marks, or refuses the trial.
    """
    user = {"role": "user", "content": "u"}
    try:
        text = template.render([user, {"role": "assistant", "content": _REPLY}, user], add_generation_prompt=False).text
    except TemplateError:
        return ""
    marks: list[str] = _MARK.findall(text.partition(_REPLY)[2])
    return marks[0] if marks and not any(mark in special_pieces for mark in marks) else ""
