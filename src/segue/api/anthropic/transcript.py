"""Translates Anthropic's messages to OpenAI's, block by block."""

from typing import Any

from segue.api.anthropic.caching import ttl_of
from segue.api.anthropic.ids import call_id_of
from segue.api.anthropic.requests import Block
from segue.api.anthropic.texts import error_text
from segue.chat.breakpoints import Wish
from segue.chat.content import text_of
from segue.serving.errors import invalid

BILLING_HEADER = "x-anthropic-billing-header:"


class Transcript:
    """`messages` so far, and `wishes` for what is to be kept of them.

    Neighbours of one role are one message, as in Anthropic's API. Without `takes_late_system`, what the system says
    behind other messages is the user's. All methods raise ApiError for what cannot be taken.
    """

    def __init__(self, *, takes_late_system: bool, drops_billing_header: bool) -> None:
        self.messages: list[dict[str, Any]] = []
        self.wishes: list[Wish] = []
        self._takes_late_system = takes_late_system
        self._drops_billing_header = drops_billing_header
        self._names: dict[str, str] = {}

    def add(self, role: str, content: object, field: str) -> None:
        """Add the content of a message by user, assistant or system; `field` is where it stands in the body."""
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            raise invalid(f"Field '{field}': it must be a text or a list of blocks")
        if role == "assistant":
            self._open(role, "")
        elif role == "user" and not blocks:
            self._open(role, [])
        for j, block in enumerate(blocks):
            place = f"{field}.{j}"
            if role == "assistant":
                self._add_said(block, place)
            elif role == "user":
                self._add_asked(block, place)
            else:
                self._add_system(block)
            ttl_s = ttl_of(block.get("cache_control"), f"{place}.cache_control")
            if ttl_s is not None:
                self.add_wish(ttl_s)

    def add_wish(self, ttl_s: float) -> None:
        """Note that all so far is to be kept."""
        self.wishes.append(Wish(len(self.messages) - 1, ttl_s))

    def _open(self, role: str, empty: str | list[Block]) -> dict[str, Any]:
        """The message of `role` at the end, begun if another one stands there."""
        if not self.messages or self.messages[-1]["role"] != role:
            self.messages.append({"role": role, "content": empty})
        return self.messages[-1]

    def _add_system(self, block: Block) -> None:
        text = text_of(block)
        if self._drops_billing_header and text.startswith(BILLING_HEADER):
            text = text.partition("\n")[2]
            if not text.strip():
                return
        is_late = any(message["role"] != "system" for message in self.messages)
        role = "user" if is_late and not self._takes_late_system else "system"
        self._open(role, [])["content"].append({"type": "text", "text": text})

    def _add_asked(self, block: Block, place: str) -> None:
        if block.get("type") == "tool_result":
            self._add_result(block, place)
        else:
            self._open("user", [])["content"].append({"type": "text", "text": text_of(block)})

    def _add_result(self, block: Block, place: str) -> None:
        number = block.get("tool_use_id")
        if not isinstance(number, str):
            raise invalid(f"Field '{place}.tool_use_id': it must be a text")
        text = text_of(block.get("content"))
        result = {"role": "tool", "tool_call_id": call_id_of(number)}
        if number in self._names:
            result["name"] = self._names[number]
        self.messages.append({**result, "content": error_text(text) if block.get("is_error") is True else text})

    def _add_said(self, block: Block, place: str) -> None:
        message = self.messages[-1]
        match block.get("type"):
            case "thinking":
                thought = block.get("thinking")
                if isinstance(thought, str) and thought:
                    message["reasoning_content"] = message.get("reasoning_content", "") + thought
            case "redacted_thinking":
                # Only the server that encrypted it can read it.
                pass
            case "tool_use":
                message.setdefault("tool_calls", []).append(self._call(block, place))
            case _:
                message["content"] += text_of(block)

    def _call(self, block: Block, place: str) -> dict[str, Any]:
        number, name, arguments = block.get("id"), block.get("name"), block.get("input")
        if not (isinstance(number, str) and isinstance(name, str)):
            raise invalid(f"Field '{place}': a tool_use needs an id and a name")
        self._names[number] = name
        return {"id": call_id_of(number), "type": "function", "function": {"name": name, "arguments": arguments or {}}}
