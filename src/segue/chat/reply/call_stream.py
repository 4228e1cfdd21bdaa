"""Passes on the beginning of a call whose arguments are an expression, while the call is being read."""

from collections.abc import Sequence
from typing import Final

from segue.chat.reply.body import markers_of
from segue.chat.reply.family import Form, JsonForm, NamedForm
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.scanner import JSON, PYTHON, Notation, Scanner, UnclearError
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools

_NAME_ENDS: Final = markers_of(*"([{}])'\",:; \n")
_BEHIND_NUMBER: Final = markers_of(*",}")


class CallStream:
    """Follows the text of one expression, and passes on the first call in it if its tool is certainly on offer."""

    def __init__(self, sink: Sink, tools: Tools) -> None:
        self._reader = Reader()
        self._sink = sink
        self._tools = tools
        self._scanning: Reading[None] | None = None

    def expect_call(self, forms: Sequence[Form]) -> None:
        """Expect a call in one of these forms, or a list of calls."""
        self._scanning = self._calls(forms)

    def expect_arguments(self, name: str, notation: Notation) -> None:
        """Expect the arguments of a call."""
        self._scanning = self._arguments(name, self._scanner(notation), "{}")

    def feed(self, text: str) -> None:
        """Follow more of the text."""
        if self._scanning is None:
            return
        self._reader.feed(text)
        try:
            if next(self._scanning, self) is self:
                self._scanning = None
        except UnclearError:
            self._scanning = None

    def _scanner(self, notation: Notation) -> Scanner:
        return Scanner(self._reader, self._sink.add_arguments, notation)

    def _arguments(self, name: str, scanner: Scanner, brackets: str) -> Reading[None]:
        name = self._tools.resolved(name)
        yield from scanner.expect(brackets[0])
        if not self._tools.is_known(name):
            raise UnclearError
        self._sink.open_call(name)
        yield from scanner.members(brackets[1])

    def _calls(self, forms: Sequence[Form]) -> Reading[None]:
        yield from self._reader.accept(markers_of("["))
        yield from self._reader.spaces()
        json_form = next((form for form in forms if isinstance(form, JsonForm)), None)
        if (yield from self._reader.peek()) != "{":
            yield from self._python_call()
        elif json_form is not None:
            yield from self._json_call(json_form)

    def _python_call(self) -> Reading[None]:
        pieces: list[str] = []
        yield from self._reader.until(_NAME_ENDS, pieces.append)
        yield from self._arguments("".join(pieces), self._scanner(PYTHON), "()")

    def _json_call(self, form: JsonForm) -> Reading[None]:
        """Read a call up to the end of its arguments; the name must come before them."""
        scanner = self._scanner(JSON)
        yield from scanner.expect("{")
        name = ""
        while True:
            key = yield from scanner.plain_string()
            yield from scanner.expect(":")
            following = yield from self._reader.peek()
            if key == "function" and following == "{":
                yield from self._json_call(form)
                return
            if key in form.arguments_keys:
                yield from self._arguments(name, scanner, "{}")
                return
            if following == '"':
                value = yield from scanner.plain_string()
                name = value if key in (*form.name_keys, "function") else name
            elif following.isdigit():
                yield from self._reader.until(_BEHIND_NUMBER, list[str]().append)
            yield from scanner.expect(",")


def notation_of(form: NamedForm) -> Notation:
    """How a form writes arguments."""
    return JSON if form.quote == '"' else Notation(raw_quote=form.quote, has_bare_keys=True)
