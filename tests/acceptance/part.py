"""The part that the model plays before every client: one call of a tool, then a word on its result."""

import json
from dataclasses import dataclass
from typing import Final

from tests.kit import acted
from tests.kit.cue import read_cue

SPOKEN: Final = "Ségue was here"
"""What the tools print."""

# The tools that clients offer, and arguments that do no harm; the first one offered is called.
_COMMAND = f"echo {SPOKEN}"
CALLS: Final[dict[str, dict[str, object]]] = {
    "bash": {"command": _COMMAND},
    "Bash": {"command": _COMMAND, "description": "Speak"},
    "run_shell_command": {"command": _COMMAND, "is_background": False},
    "exec_command": {"cmd": _COMMAND},
    "shell": {"command": ["bash", "-c", _COMMAND]},
    "speak": {"words": SPOKEN},
}

MOST_QUESTIONS: Final = 12
"""A client that asks more often than this goes round in circles."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the model speaks, and with which chat template.

    `is_tidy`: as the template writes what is sent back. Else the JSON has no spaces but escapes, tags stand on no
    lines of their own, and there are line ends where none belong.
    """

    template: str = acted.PLAIN
    is_tidy: bool = True
    before_call: str = ""

    def __call__(self, prompt: str) -> str:
        """The reply to a prompt."""
        cue = read_cue(prompt)
        space = "\n" if self.is_tidy else "\n\n\n"
        thought = f"One thing at a time.{space}</think>\n{space}" if cue.thinks else ""
        name = next((name for name in CALLS if name in cue.tools), None)
        if name is None or cue.is_result or cue.n_questions > MOST_QUESTIONS:
            return f"{thought}{word(cue.n_questions)}"
        if self.is_tidy:
            arguments = json.dumps(CALLS[name], ensure_ascii=False)
            call = f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'
        else:
            arguments = json.dumps(CALLS[name], separators=(",", ":"))
            call = f'\n<tool_call>{{"name":"{name}","arguments":{arguments}}}</tool_call>\n'
        return f"{thought}{self.before_call}{call}"


def word(n_questions: int) -> str:
    """What the model says to the user's message of this number."""
    return f"Answer {n_questions}."


MANNERS: Final = {
    "plain": Manner(),
    "talking": Manner(before_call="Let me see.\n"),
    "thinking": Manner(acted.THINKING),
    "untidy": Manner(acted.THINKING, is_tidy=False, before_call="Let me see.\n"),
    "forgetful": Manner(acted.FORGETFUL),
}
