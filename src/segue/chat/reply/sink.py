"""Collects the parts of a reply, without the line breaks that templates put around their tags."""

from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought


class Sink:
    """Turns text and calls into parts.

    Holds back white space that may surround a tag: any white space before the first word of the reply or after a tag,
    and line breaks anywhere. `is_fresh`: no other text was added since the beginning or the last tag. `is_thought`:
    text that is added is reasoning. `n_calls` counts complete calls. With `streams_calls`, a call can be added bit by
    bit.
    """

    def __init__(self, *, streams_calls: bool = False) -> None:
        self._streams_calls = streams_calls
        self._announced: str | None = None
        self._opened: str | None = None
        self._arguments: list[str] = []
        self._n_opened = 0
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

    def open_call(self, name: str) -> None:
        """Begin a call of which the name is certain; without `streams_calls`, nothing happens.

        It is passed on with its first arguments: many clients run a call that has none as one with an empty object.
        """
        self._announced = name if self._streams_calls else None

    def add_arguments(self, text: str) -> None:
        """Add to the arguments of the open call, if there is one. The last bracket must be left out."""
        if not text:
            return
        if self._announced is not None:
            self._open(self._announced)
        if self._opened is not None:
            self._arguments.append(text)
            self._parts.append(CallArguments(self._n_opened - 1, text))

    def call(self, name: str, arguments: str) -> None:
        """Add a complete call, or the rest of the open one, which also counts as a tag.

        If the open call turns out to be another one, it is given up.
        """
        begun = "".join(self._arguments)
        if self._opened != name or not arguments.startswith(begun):
            self._open(name)
            begun = ""
        self._parts += [
            CallArguments(self._n_opened - 1, arguments[len(begun) :]),
            CallClosed(self._n_opened - 1),
        ]
        self.n_calls += 1
        self.give_up_call()

    def give_up_call(self) -> bool:
        """Add nothing more to the open call; returns whether there was one."""
        was_open = self._opened is not None
        self._opened = self._announced = None
        self._arguments.clear()
        return was_open

    def _open(self, name: str) -> None:
        self.cut()
        self.give_up_call()
        self._parts.append(CallOpened(self._n_opened, name))
        self._opened = name
        self._n_opened += 1

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
