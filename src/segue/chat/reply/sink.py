"""Collects the parts of a reply, without the line breaks that templates put around their tags."""

from segue.chat.reply.parts import CallArguments, CallOpened, Part, Text, Thought


class Sink:
    """Turns text and calls into parts.

    Holds back white space that may surround a tag: any white space before the first word of the reply or after a tag,
    and line breaks anywhere. `is_fresh`: no other text was added since the beginning or the last tag. `is_thought`:
    text that is added is reasoning.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._held: list[str] = []
        self._is_behind_tag = self._has_content = False
        self.is_fresh = True
        self.is_thought = False
        self.n_calls = 0

    def say(self, text: str) -> None:
        """Add text, or reasoning."""
        said = text.rstrip("\n")
        if not said or (self.is_fresh and said.isspace()):
            self._held.append(text)
            return
        whole = "".join((*self._held, said))
        if self.is_fresh and self._is_behind_tag and (self.is_thought or not self._has_content):
            whole = whole.lstrip("\n")
        self.is_fresh = False
        self._has_content = self._has_content or not self.is_thought
        self._held = [text[len(said) :]]
        self._add(whole)

    def cut(self, *, is_thought: bool | None = None) -> None:
        """Record a tag here; `is_thought` says whether reasoning follows it, None if it changes nothing."""
        held = "".join(self._held).rstrip("\n")
        if held and not self.is_fresh:
            self._add(held)
        self._held = []
        self.is_fresh = self._is_behind_tag = True
        if is_thought is not None:
            self.is_thought = is_thought

    def call(self, name: str, arguments: str) -> None:
        """Add a complete call, which also counts as a tag."""
        self.cut()
        self._parts += [CallOpened(self.n_calls, name), CallArguments(self.n_calls, arguments)]
        self.n_calls += 1

    def finish(self) -> None:
        """End the reply."""
        held = "".join(self._held)
        self._held = []
        if held and not (self.is_fresh and self._is_behind_tag):
            self._add(held)

    def taken(self) -> list[Part]:
        """Return and clear the parts collected since the last call."""
        parts, self._parts = self._parts, []
        return parts

    def _add(self, text: str) -> None:
        self._parts.append(Thought(text) if self.is_thought else Text(text))
