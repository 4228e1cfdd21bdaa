"""The part that the model plays before every client: one call of a tool, then a word on its result."""

import json
from dataclasses import dataclass

from tests.kit import acted
from tests.kit.cue import read_cue

SPOKEN = "segue was here"
"""What the tools print."""

# The tools that clients offer, and arguments that do no harm; the first one offered is called.
_COMMAND = f"echo {SPOKEN}"
CALLS: dict[str, dict[str, object]] = {
    "bash": {"command": _COMMAND},
    "Bash": {"command": _COMMAND, "description": "Speak"},
    "run_shell_command": {"command": _COMMAND, "is_background": False},
    "exec_command": {"cmd": _COMMAND},
    "shell": {"command": ["bash", "-c", _COMMAND]},
    "speak": {"words": SPOKEN},
}

MOST_QUESTIONS = 12
"""A client that asks more often than this goes round in circles."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the model speaks, and with which chat template.

    `is_canonical`: it writes calls as the template writes them back, with the separators of Python's JSON.
    """

    template: str = acted.PLAIN
    is_canonical: bool = True
    before_call: str = ""

    def __call__(self, prompt: str) -> str:
        """The reply to a prompt."""
        cue = read_cue(prompt)
        thought = "One thing at a time.\n</think>\n\n" if cue.thinks else ""
        if not cue.tools:
            return f"{thought}{word(cue.n_questions)}"
        name = next((name for name in CALLS if name in cue.tools), None)
        if cue.is_result or name is None or cue.n_questions > MOST_QUESTIONS:
            return f"{thought}{word(cue.n_questions)}"
        separators = (", ", ": ") if self.is_canonical else (",", ":")
        arguments = json.dumps(CALLS[name], separators=separators)
        call = f'{{"name": "{name}", "arguments": {arguments}}}'
        return f"{thought}{self.before_call}<tool_call>\n{call}\n</tool_call>"


def word(n_questions: int) -> str:
    """What the model says to the user's message of this number."""
    return f"Answer {n_questions}."


PLAIN = Manner()
TALKING = Manner(before_call="Let me see.\n")
THINKING = Manner(acted.THINKING)
COMPACT = Manner(is_canonical=False)
