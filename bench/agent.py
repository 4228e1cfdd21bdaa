"""A coding agent as its server sees it: what it sends next, and what it does with the replies."""

import json
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.client import Chat, Message
from bench.text import text

_TITLE_SYSTEM: Final = "Name the conversation that begins with the message below. Answer with the title alone."
_N_TITLE_TOKENS: Final = 8


class Action(StrEnum):
    """What an agent, or the one who uses it, can do next."""

    USER = "user"
    TOOL = "tool"
    RETRY = "retry"
    EDIT = "edit"
    UNDO = "undo"
    FRESH = "fresh"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class Kit:
    """What an agent's conversations begin with; two agents of one product share it."""

    system: str
    tools: tuple[Message, ...]

    @classmethod
    def drawn(cls, rng: random.Random, n_system_chars: int, n_tools: int) -> "Kit":
        """A system prompt of that length, and as many tools of some 400 characters each."""
        return cls(text(rng, n_system_chars), tuple(_tool(f"tool_{i}", text(rng, 180)) for i in range(n_tools)))


class Agent:
    """One agent with its conversation.

    `echoes`: it sends its reasoning back while it works on one message, so that the prompt only grows; the template
    strips it once the user speaks again. Otherwise it never does, and each prompt leaves the last one where its reply
    began. `scale` stretches what is said and read.
    """

    def __init__(self, kit: Kit, rng: random.Random, *, echoes: bool, scale: float = 1.0, n_predict: int = 24) -> None:
        self._kit = kit
        self._rng = rng
        self._echoes = echoes
        self._scale = scale
        self._n_predict = n_predict
        self._n_calls = 0
        self._reply = ""
        self._messages: list[Message] = []

    def act(self, action: Action, n_chars: int = 0) -> Chat:
        """What the agent sends now. `n_chars`: how long what it adds is, drawn if 0."""
        match action:
            case Action.TITLE:
                first = next(message for message in self._messages if message["role"] == "user")
                return Chat((_message("system", _TITLE_SYSTEM), first), (), _N_TITLE_TOKENS)
            case Action.USER:
                self._answer()
                self._say(n_chars)
            case Action.TOOL:
                self._call(n_chars)
            case Action.EDIT:
                said = self._back_to_user(1)
                self._messages.append(_message("user", said["content"][:-40] + text(self._rng, 60)))
            case Action.UNDO:
                self._back_to_user(2)
                self._say(n_chars)
            case Action.FRESH:
                self._messages.clear()
                self._say(n_chars)
        return Chat((_message("system", self._kit.system), *self._messages), self._kit.tools, self._n_predict)

    def hear(self, action: Action, reply: str) -> None:
        """Take in the reply to the last request."""
        if action is not Action.TITLE:
            self._reply = reply

    def _say(self, n_chars: int) -> None:
        self._messages.append(_message("user", text(self._rng, n_chars or self._length(80, 500))))

    def _answer(self) -> None:
        """Let the last reply end as an answer, if there was one."""
        if self._messages:
            self._messages.append(self._assistant(text(self._rng, self._length(100, 600))))

    def _call(self, n_chars: int) -> None:
        """Let the last reply end as a tool call, and add its result."""
        self._n_calls += 1
        name = self._rng.choice(self._kit.tools)["function"]["name"] if self._kit.tools else "run"
        arguments = json.dumps({"path": f"src/part_{self._rng.randrange(100)}.py", "line": self._rng.randrange(1000)})
        call = {"id": f"call_{self._n_calls}", "type": "function", "function": {"name": name, "arguments": arguments}}
        result = text(self._rng, n_chars or self._length(80, 2000 if self._rng.random() < 0.3 else 500))
        self._messages.append(self._assistant("") | {"tool_calls": [call]})
        self._messages.append(_message("tool", result) | {"tool_call_id": call["id"]})

    def _assistant(self, content: str) -> Message:
        message = _message("assistant", content)
        return message | {"reasoning_content": self._reply} if self._echoes else message

    def _back_to_user(self, n: int) -> Message:
        """Drop all from the `n`-th last message of the user on, or from the first if there are fewer; return it."""
        places = [i for i, message in enumerate(self._messages) if message["role"] == "user"]
        place = places[max(0, len(places) - n)]
        said = self._messages[place]
        del self._messages[place:]
        return said

    def _length(self, low: int, high: int) -> int:
        return int(self._scale * self._rng.randint(low, high))


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _tool(name: str, description: str) -> Message:
    properties = {"path": {"type": "string", "description": "A file."}, "line": {"type": "integer"}}
    parameters = {"type": "object", "properties": properties, "required": ["path"]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
