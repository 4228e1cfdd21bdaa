"""Passes on the beginning of a call whose parameters are elements, while the call is being read."""

from enum import Enum, auto
from typing import Any

from segue.chat.reply.family import ElementForm
from segue.chat.reply.piece import CallPiece, Kind
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools
from segue.chat.reply.values import from_text, to_json

_BEGINS_JSON = frozenset('{["-0123456789tfnTFN')


class _Stage(Enum):
    """Where the call is; from UNCLEAR on, nothing more is passed on."""

    BETWEEN = auto()
    UNDECIDED = auto()
    TEXT = auto()
    VALUE = auto()
    UNCLEAR = auto()


class ElementStream:
    """Follows a call of the tool `name`, as long as each marker in it belongs to the notation at first sight.

    A parameter is passed on as soon as its value is known to be a text, which then grows; a value of another type is
    passed on as a whole. A closing marker counts once a parameter follows that the call can have and does not have
    yet. After any other marker, what is content is only known once the call is complete.
    """

    def __init__(self, sink: Sink, form: ElementForm, tools: Tools, name: str) -> None:
        self._sink = sink
        self._form = form
        self._tools = tools
        self._name = name
        self._stage = _Stage.BETWEEN if tools.is_known(name) else _Stage.UNCLEAR
        self._keys: set[str] = set()
        self._opening = CallPiece(Kind.TEXT, "")
        self._waiting = ""
        self._held = ""

    def text(self, text: str) -> None:
        """Follow text between two markers, or a part of it."""
        match self._stage:
            case _Stage.BETWEEN if text.strip():
                self._stage = _Stage.UNCLEAR
            case _Stage.UNDECIDED:
                self._held += text
                self._decide()
            case _Stage.VALUE:
                self._held += text
            case _Stage.TEXT:
                self._say(text)

    def marker(self, piece: CallPiece) -> None:
        """Follow a marker."""
        if self._stage is _Stage.BETWEEN and piece.kind is Kind.PARAMETER and self._can_begin(piece.key):
            self._begin(piece)
        elif self._stage not in (_Stage.BETWEEN, _Stage.UNCLEAR) and piece.kind is Kind.PARAMETER_END:
            self._end()
        else:
            self._stage = _Stage.UNCLEAR

    def _can_begin(self, key: str) -> bool:
        return bool(key) and key not in self._keys and self._tools.knows(self._name, key)

    def _begin(self, opening: CallPiece) -> None:
        if not self._keys:
            self._sink.open_call(self._name)
        self._sink.add_arguments(self._waiting)
        self._waiting = f"{', ' if self._keys else '{'}{to_json(opening.key)}: "
        self._keys.add(opening.key)
        self._opening = opening
        self._held = ""
        self._stage = _Stage.UNDECIDED

    def _decide(self) -> None:
        """Find out whether the value is a text, as far as that can be known from its beginning."""
        held = self._held.removeprefix("\n") if self._form.strips_line else self._held
        if not held:
            return
        if not self._is_text():
            begins = held.lstrip()[:1]
            if not begins:
                return
            if self._opening.type is not None or begins in _BEGINS_JSON or not self._may_be_text():
                self._stage = _Stage.VALUE
                return
        self._sink.add_arguments(self._waiting + '"')
        self._waiting = '"'
        self._stage = _Stage.TEXT
        self._held = ""
        self._say(held)

    def _is_text(self) -> bool:
        """Whether any value is taken as it is."""
        return self._opening.is_string or (
            self._opening.type is None and self._tools.is_text(self._name, self._opening.key)
        )

    def _may_be_text(self) -> bool:
        return self._tools.takes_text(self._name, self._opening.key)

    def _say(self, text: str) -> None:
        """Pass text on, but for a line end that may stand around the value."""
        text = self._held + text
        said = text.removesuffix("\n")
        self._held = text[len(said) :]
        if said:
            self._sink.add_arguments(to_json(said)[1:-1])

    def _end(self) -> None:
        is_text = self._stage is _Stage.TEXT
        self._stage = _Stage.BETWEEN
        if is_text:
            self._waiting = (to_json("" if self._form.strips_line else self._held)[1:-1]) + '"'
            return
        text = self._held.removeprefix("\n").removesuffix("\n") if self._form.strips_line else self._held
        try:
            self._waiting += to_json(self._value(text))
        except ValueError:
            self._stage = _Stage.UNCLEAR

    def _value(self, text: str) -> Any:
        if self._opening.type is None:
            return self._tools.typed(self._name, self._opening.key, text)
        return text if self._opening.is_string else from_text(text)
